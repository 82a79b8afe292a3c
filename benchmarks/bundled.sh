#!/bin/sh
# Make the bundled model, from portraits to the file in the package.
#
#     benchmarks/bundled.sh PORTRAITS WORK
#
# PORTRAITS contains folders of portraits whose use is free. Everything is written into WORK, except
# for the weights, which are written into src/sketchcli/weights. Run `fetch-data yunet sface
# lpips-alex` with SKETCH2IMG_HOME=WORK before. The first run takes minutes on a GPU and hours on a
# CPU, the others half an hour, an hour and a quarter of an hour on two cores. If it is interrupted,
# run the same command again to resume.
set -eu
portraits=$1 work=$2
export SKETCH2IMG_HOME="$work"

# draw NAME SIZE LIGHT LIKENESS DRAWS PEOPLE: prepare a dataset of the portraits and their sketches.
draw() {
    [ -d "$work/prepared/$1" ] || sketch2img preprocess --manifest "$portraits/$6.csv" \
        --align loose --backdrop studio --light "$3" --likeness "$4" --draws "$5" --size "$2" \
        --test 0 --name "$1" --style portrait --style portrait --style portrait \
        --style hand --style hand --style pencil --style ink
}

# go_on NAME FROM EPOCHS [OPTION ...]: train on that dataset, from the weights of a run.
go_on() {
    name=$1 from=$2 epochs=$3
    shift 3
    sketch2img train "$name" --config benchmarks/bundled.toml --init-from "$work/runs/$from" \
        --epochs "$epochs" --lr 2e-4 --batch-size 16 --set validation.every=1 "$@" \
        --run-dir "$work/runs/$name"
}

# list NAME TIMES: write who is in the portraits; closed lips are listed TIMES times.
list() {
    [ -f "$portraits/$1.csv" ] ||
        python benchmarks/people.py "$portraits" --out "$portraits/$1.csv" --val 0.1 --closed "$2"
}

list people 1
list people-calm 3
draw portraits 128 keep true 8 people
draw portraits-even 128 even true 8 people
draw portraits-free 160 even free 8 people
draw portraits-calm 160 even free 6 people-calm
sketch2img train portraits --config benchmarks/bundled.toml --run-dir "$work/runs/portraits"
go_on portraits-even portraits 2 --set ema_half_life=4000
go_on portraits-free portraits-even 3 --set ema_half_life=4000
go_on portraits-calm portraits-free 1 --set ema_half_life=2000 --set loss.adversarial_weight=0
python scripts/bundle_weights.py "$work/runs/portraits-calm/weights.safetensors" \
    src/sketchcli/weights
