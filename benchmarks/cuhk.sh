#!/bin/sh
# Compute the scores of docs/reference/benchmarks.md: both presets, CUHK student dataset, 128 px.
#
#     benchmarks/cuhk.sh DATA WORK [SEED]
#
# DATA contains training-sketches, training-photos, testing-sketches and testing-photos. Everything
# is written into WORK. Downloaded networks are used: run `fetch-data lpips-alex` and so on with
# SKETCH2IMG_HOME=WORK before. If it is interrupted, run the same command again to resume.
set -eu
data=$1 work=$2 seed=${3:-0}
export SKETCH2IMG_HOME="$work"

[ -d "$work/prepared/cuhk" ] || sketch2img preprocess "$data" --name cuhk --size 128
for preset in modern paper; do
    sketch2img train cuhk --preset "$preset" --seed "$seed" --run-dir "$work/runs/$preset-$seed"
done
sketch2img eval --data cuhk --model "modern-$seed" --model "paper-$seed" \
    --out "$work/evaluations/$seed" | tee "$work/figures-$seed.txt"
