#!/usr/bin/env bash
# Builds, checks and measures everything about a GPU in one call, so that the minutes of a borrowed card count.
#
#   benches/gpu.sh [DEVICE] [SECONDS]
#
# DEVICE is a number or a part of a name as `socrun doctor` shows it; without it, the first that is no software. SECONDS bound
# each measurement (default 60). Results go to target/gpu/: doctor.txt (with the peaks of products and memory), tests.txt,
# steps.csv (median seconds per training step, one number per loss), paths.txt (an uncontrolled simulation), jax.txt (the
# steps at batch 128 by JAX on the same card, where a Python with JAX for it is at hand: set PYTHON). What share of the peaks a step
# reaches is not worked out here: `socrun explain --stage plan` has its operations and bytes. Nor is PyTorch run.
# BATCHES and FILES stand for the batches and files of steps.csv.
set -euo pipefail
cd "$(dirname "$0")/.."
device=${1:-}
limit=${2:-60}
out=target/gpu
python=${PYTHON:-python3}
mkdir -p "$out"
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-$(mktemp -d)}

cargo build --locked --release
socrun=${CARGO_TARGET_DIR:-target}/release/socrun
"$socrun" doctor | tee "$out/doctor.txt"

place=(--backend gpu)
[ -n "$device" ] && place=(--device "$device")
[ -n "$device" ] && export SOCRUN_TEST_DEVICE=$device
cargo test --locked --release --test gpu 2>&1 | tee "$out/tests.txt" | tail -3
cargo test --locked --release --test losses a_device -- --nocapture 2>&1 | tee -a "$out/tests.txt" | tail -30

echo "file,backend,batch,seconds_per_step" >"$out/steps.csv"
read -ra files <<<"${FILES:-experiments/first.soc experiments/socm/quadratic_ou_easy.soc experiments/socm/double_well.soc}"
read -ra batches <<<"${BATCHES:-128 1024 16384}"
for file in "${files[@]}"; do
  for batch in "${batches[@]}"; do
    for way in gpu gpu-f16 gpu-units cpu; do
      case $way in
        gpu) chosen=("${place[@]}") ;;
        gpu-f16) chosen=("${place[@]}" --activations f16) ;;
        gpu-units) chosen=("${place[@]}" --matrix-units) ;;
        cpu) chosen=(--backend cpu) ;;
      esac
      run=$(timeout "$limit" "$socrun" run "$file" "${chosen[@]}" --set "batch=$batch" --steps 20 --json --quiet --timing \
        --out "$out/run" 2>"$out/errors.txt") || { echo "$file,$way,$batch,over $limit s or refused" | tee -a "$out/steps.csv"; continue; }
      median=$(printf '%s' "$run" | grep -o '"median":[0-9.e-]*' | cut -d: -f2 | paste -sd' ')
      echo "$file,$way,$batch,$median" | tee -a "$out/steps.csv"
    done
  done
done

# Path-steps per second: a million paths of a hundred steps.
: >"$out/paths.txt"
for d in 1 10; do
  { echo "d = $d, batch ${PATHS:-1000000}"; time timeout "$limit" "$socrun" run benches/compare/simulation.soc "${place[@]}" \
    --set "d=$d" --set "batch=${PATHS:-1000000}" --quiet --out "$out/run"; } >>"$out/paths.txt" 2>&1 || echo "over $limit s or refused" >>"$out/paths.txt"
done
tail -20 "$out/paths.txt"

: >"$out/jax.txt"
if "$python" -c 'import jax, optax; assert jax.default_backend() == "gpu"' 2>/dev/null; then
  for loss in rollout socm_adjoint adjoint_matching relative_entropy log_variance cross_entropy socm; do
    timeout "$limit" "$python" benches/compare/step.py "$loss" | sed "s/^/$loss /" | tee -a "$out/jax.txt" || true
  done
else
  echo "no JAX for a GPU here" | tee -a "$out/jax.txt"
fi
