#!/usr/bin/env bash
# Installs a wheel with pipx into an empty environment and an empty home, as a new user does, and
# types the three commands of the README's first page there.
#
#     tests/e2e/fresh_install.sh dist/sketch2img-*.whl [FOLDER]
#
# FOLDER, by default a temporary one that is removed, holds everything that is made. Set PIPX and
# PYTHON to choose them, EPOCHS to train for longer than the one epoch that shows that it works.
set -euo pipefail

wheel=$(realpath "${1:?which wheel?}")
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
if [ $# -gt 1 ]; then
    place=$(realpath "$2")
else
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
fi

# A new user: nothing of this one's but what pip has in its cache.
export PIP_CACHE_DIR=${PIP_CACHE_DIR:-$HOME/.cache/pip}
export HOME=$place/home PIPX_HOME=$place/pipx PIPX_BIN_DIR=$place/bin
export PIPX_MAN_DIR=$place/man PIPX_COMPLETION_DIR=$place/completion
unset PYTHONPATH SKETCH2IMG_HOME XDG_DATA_HOME XDG_CONFIG_HOME XDG_CACHE_HOME
mkdir -p "$HOME" "$place/work"
cd "$place/work"

step() { printf '\n== %s\n' "$*" >&2; }
fail() { printf 'fresh_install: %s\n' "$*" >&2; exit 1; }
sketch2img() { "$PIPX_BIN_DIR/sketch2img" "$@"; }

step "pipx install $(basename "$wheel")"
# shellcheck disable=SC2086 # PIPX may be a command with arguments
${PIPX:-pipx} install --python "${PYTHON:-python3}" --backend pip \
    --pip-args="--constraint '$root/constraints.txt'" "$wheel"
"$PIPX_HOME/venvs/sketch2img/bin/python" "$root/scripts/check_opencv.py"

step "what came with it"
sketch2img --version
[ -s "$PIPX_MAN_DIR/man1/sketch2img.1" ] || fail "no man page"
sketch2img doctor || fail "doctor ended with $?"

step "sketches to translate"
sketch2img fetch-data demo --name strangers --count 4 --size 64 --seed 1
strangers=$HOME/.local/share/sketch2img/raw/strangers/sketches
cp "$strangers/00000.png" in.png
mkdir -p batch/one batch/two out
cp "$strangers/00001.png" "$strangers/00002.png" batch/one
cp "$strangers/00003.png" batch/two

step "sketch2img generate in.png bundled.png, with the model that came along"
sketch2img generate in.png bundled.png
[ -s bundled.png ] || fail "no bundled.png"

step "sketch2img train"
sketch2img train --epochs "${EPOCHS:-1}"

step "sketch2img generate in.png out.png"
sketch2img generate in.png out.png 2>said.txt
grep -q '/runs/' said.txt || fail "not the model that was trained: $(cat said.txt)"
[ -s out.png ] || fail "no out.png"

step "a folder of folders"
for d in batch/*/; do sketch2img generate "$d" "out/$(basename "$d")"; done
found=$(find out -name '*.png' | sort | tr '\n' ' ')
[ "$found" = "out/one/00001.png out/one/00002.png out/two/00003.png " ] || fail "made: $found"

step "all of it works"
