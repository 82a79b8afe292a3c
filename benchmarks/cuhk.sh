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
sketch2img train cuhk --epochs 750 --seed "$seed" --run-dir "$work/runs/modern-$seed"
# The published system: 3,000 steps. bf16 is faster where the processor has it; the preset is fp32.
sketch2img train cuhk --preset paper --epochs 1500 --validate-every 50 --seed "$seed" \
    --precision "${PRECISION:-bf16}" --run-dir "$work/runs/paper-$seed"
sketch2img eval --data cuhk --model "modern-$seed" --model "paper-$seed" \
    --model "$work/runs/paper-$seed/best.safetensors" \
    --out "$work/evaluations/$seed" | tee "$work/figures-$seed.txt"
