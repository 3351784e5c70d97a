#!/usr/bin/env bash
# Builds, checks and measures everything about a GPU in one call, so that the minutes of a borrowed card count.
#
#   benches/gpu.sh [DEVICE] [SECONDS]
#
# DEVICE is a number or a part of a name as `socrun doctor` shows it; without it, the first that is no software. SECONDS bound
# each measurement (default 60). Results go to target/gpu/: doctor.txt, tests.txt, steps.csv.
set -euo pipefail
cd "$(dirname "$0")/.."
device=${1:-}
limit=${2:-60}
out=target/gpu
mkdir -p "$out"
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-$(mktemp -d)}

cargo build --locked --release
socrun=${CARGO_TARGET_DIR:-target}/release/socrun
"$socrun" doctor | tee "$out/doctor.txt"

place=(--backend gpu)
[ -n "$device" ] && place=(--device "$device")
[ -n "$device" ] && export SOCRUN_TEST_DEVICE=$device
cargo test --locked --release --test gpu 2>&1 | tee "$out/tests.txt" | tail -3
cargo test --locked --release --test losses a_device 2>&1 | tee -a "$out/tests.txt" | tail -3

echo "file,backend,batch,seconds_per_step" >"$out/steps.csv"
for file in experiments/first.soc experiments/socm/*.soc; do
  for batch in 128 1024 16384; do
    for backend in gpu cpu; do
      chosen=("${place[@]}")
      [ "$backend" = cpu ] && chosen=(--backend cpu)
      run=$(timeout "$limit" "$socrun" run "$file" "${chosen[@]}" --set "batch=$batch" --steps 20 --json --quiet \
        --out "$out/run" 2>"$out/errors.txt") || { echo "$file,$backend,$batch,over $limit s or refused" >>"$out/steps.csv"; continue; }
      median=$(printf '%s' "$run" | grep -o '"median":[0-9.e-]*' | cut -d: -f2 | paste -sd' ')
      echo "$file,$backend,$batch,$median" | tee -a "$out/steps.csv"
    done
  done
done
