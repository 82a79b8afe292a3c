#!/bin/sh
# Make the bundled model, from the portraits to the file in the package.
#
#     benchmarks/bundled.sh PORTRAITS WORK
#
# PORTRAITS holds folders of portraits of people whose pictures are free to use; all that is made
# goes into WORK, and the weights into src/sketchcli/weights. Needs `fetch-data yunet sface
# lpips-alex` with SKETCH2IMG_HOME=WORK, and a GPU. Interrupted, the same command goes on.
set -eu
portraits=$1 work=$2
export SKETCH2IMG_HOME="$work"

[ -f "$portraits/people.csv" ] ||
    python benchmarks/people.py "$portraits" --out "$portraits/people.csv" --val 0.1
[ -d "$work/prepared/portraits" ] || sketch2img preprocess --manifest "$portraits/people.csv" \
    --align loose --backdrop studio --light even --draws 8 --size 128 --test 0 --name portraits \
    --style portrait --style portrait --style portrait --style hand --style hand \
    --style pencil --style ink
sketch2img train portraits --config benchmarks/bundled.toml --run-dir "$work/runs/bundled"
python scripts/bundle_weights.py "$work/runs/bundled/weights.safetensors" src/sketchcli/weights
