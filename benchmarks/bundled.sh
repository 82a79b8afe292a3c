#!/bin/sh
# Make the bundled model, from the portraits to the file in the package.
#
#     benchmarks/bundled.sh PORTRAITS WORK
#
# PORTRAITS holds folders of portraits of people whose pictures are free to use; all that is made
# goes into WORK, and the weights into src/sketchcli/weights. Needs `fetch-data yunet sface
# lpips-alex` with SKETCH2IMG_HOME=WORK. The first training takes minutes on a GPU and hours on a
# CPU, the second half an hour on two cores, the third an hour. Interrupted, the same command goes on.
set -eu
portraits=$1 work=$2
export SKETCH2IMG_HOME="$work"

# draw NAME SIZE LIGHT LIKENESS: the portraits and their sketches, as a prepared set.
draw() {
    [ -d "$work/prepared/$1" ] || sketch2img preprocess --manifest "$portraits/people.csv" \
        --align loose --backdrop studio --light "$3" --likeness "$4" --draws 8 --size "$2" \
        --test 0 --name "$1" --style portrait --style portrait --style portrait \
        --style hand --style hand --style pencil --style ink
}

# go_on NAME FROM EPOCHS: train on that set, from the weights of a run.
go_on() {
    sketch2img train "$1" --config benchmarks/bundled.toml --init-from "$work/runs/$2" \
        --epochs "$3" --lr 2e-4 --batch-size 16 --set ema_half_life=4000 \
        --set validation.every=1 --run-dir "$work/runs/$1"
}

[ -f "$portraits/people.csv" ] ||
    python benchmarks/people.py "$portraits" --out "$portraits/people.csv" --val 0.1
draw portraits 128 keep true
draw portraits-even 128 even true
draw portraits-free 160 even free
sketch2img train portraits --config benchmarks/bundled.toml --run-dir "$work/runs/portraits"
go_on portraits-even portraits 2
go_on portraits-free portraits-even 3
python scripts/bundle_weights.py "$work/runs/portraits-free/weights.safetensors" \
    src/sketchcli/weights
