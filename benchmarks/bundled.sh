#!/bin/sh
# Make the bundled model, from the portraits to the file in the package.
#
#     benchmarks/bundled.sh PORTRAITS WORK
#
# PORTRAITS holds folders of portraits of people whose pictures are free to use; all that is made
# goes into WORK, and the weights into src/sketchcli/weights. Needs `fetch-data yunet sface
# lpips-alex` with SKETCH2IMG_HOME=WORK. The first training takes minutes on a GPU and hours on a
# CPU, the second half an hour on two cores. Interrupted, the same command goes on.
set -eu
portraits=$1 work=$2
export SKETCH2IMG_HOME="$work"

# draw NAME LIGHT: the portraits and their sketches, as a prepared set.
draw() {
    [ -d "$work/prepared/$1" ] || sketch2img preprocess --manifest "$portraits/people.csv" \
        --align loose --backdrop studio --light "$2" --draws 8 --size 128 --test 0 --name "$1" \
        --style portrait --style portrait --style portrait --style hand --style hand \
        --style pencil --style ink
}

[ -f "$portraits/people.csv" ] ||
    python benchmarks/people.py "$portraits" --out "$portraits/people.csv" --val 0.1
draw portraits keep
draw portraits-even even
sketch2img train portraits --config benchmarks/bundled.toml --run-dir "$work/runs/bundled"
sketch2img train portraits-even --config benchmarks/bundled.toml \
    --init-from "$work/runs/bundled" --epochs 2 --lr 2e-4 --batch-size 16 \
    --set ema_half_life=4000 --set validation.every=1 --run-dir "$work/runs/bundled-even"
python scripts/bundle_weights.py "$work/runs/bundled-even/weights.safetensors" \
    src/sketchcli/weights
