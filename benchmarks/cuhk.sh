#!/bin/sh
# The figures of docs/reference/benchmarks.md: both presets on the CUHK student set, 128 pixels.
#
#     benchmarks/cuhk.sh DATA WORK [SEED]
#
# DATA holds training-sketches, training-photos, testing-sketches and testing-photos; all that is
# made goes into WORK. Networks that were fetched before are used: `fetch-data lpips-alex` and so
# on, with SKETCH2IMG_HOME=WORK. Interrupted, the same command goes on where it stopped.
set -eu
data=$1 work=$2 seed=${3:-0}
export SKETCH2IMG_HOME="$work"

[ -d "$work/prepared/cuhk" ] || sketch2img preprocess "$data" --name cuhk --size 128
for preset in modern paper; do
    sketch2img train cuhk --preset "$preset" --seed "$seed" --run-dir "$work/runs/$preset-$seed"
done
sketch2img eval --data cuhk --model "modern-$seed" --model "paper-$seed" \
    --out "$work/evaluations/$seed" | tee "$work/figures-$seed.txt"
