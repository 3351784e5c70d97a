#!/usr/bin/env bash
# Builds, checks and measures everything about a GPU in one call, so that the minutes of a borrowed card count.
#
#   benches/gpu.sh [DEVICE] [SECONDS]
#
# DEVICE is a number or a part of a name as `socrun doctor` shows it; without it, the first that is no software. SECONDS bound
# each measurement (default 60). Results go to target/gpu/:
#   doctor.txt  what the device is and allows, how far its results are off, and the peaks of products and memory
#   tests.txt   the tests on it; where it has matrix units, once more with these
#   steps.csv   per file, way, batch and loss: median seconds per training step; what share of the peak of products and of the
#               bandwidth of memory that is, by the operations and the bytes of the plan and the peaks of the device as
#               they are measured; the longest dispatch, in ms
#   paths.txt   an uncontrolled simulation
#   peers.csv   seconds per training step in JAX and in PyTorch, eager and compiled, by the same definitions (benches/compare) and
#               in f32 throughout, on the same card; one line says so where no Python with these is at hand for it
# SKIP_TESTS leaves the tests out. FILES, BATCHES and WAYS stand for the files, batches and ways of steps.csv, PEERS for the problems of peers.csv, PATHS for the
# number of paths. PYTHON is the Python with JAX and optax, and with PyTorch; JAX_PYTHON and TORCH_PYTHON are these if
# they are two. With PEERS_ON=cpu both run on the CPU, which shows that the rows can be made and nothing else.
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
check() {
  cargo test --locked --release --test gpu 2>&1 | tee -a "$out/tests.txt" | tail -3
  cargo test --locked --release --test losses a_device -- --nocapture 2>&1 | tee -a "$out/tests.txt" | tail -30
}
: >"$out/tests.txt"
[ -n "${SKIP_TESTS:-}" ] || check
# The first device is the one that is tested without a name.
if [ -z "${SKIP_TESTS:-}" ] && grep -q '^  units .* products at' "$out/doctor.txt"; then
  echo "with matrix units" | tee -a "$out/tests.txt"
  SOCRUN_TEST_UNITS=1 check
fi

# A line per loss: what `--timing` says on stderr, and the medians of the JSON, in the same order.
rows() {
  awk -v head="$1" -v medians="$(grep -o '"median":[0-9.e-]*' "$out/run.json" | cut -d: -f2 | paste -sd' ')" '
    function flush() {
      if (n) printf "%s,%s,%.6g,%.3g,%.3g,%s\n", head, loss, median[n], a / (1e3 * median[n]), b / (1e3 * median[n]), longest
    }
    BEGIN { split(medians, median, " ") }
    / runs, .* ms each/ { flush(); n++; a = b = 0; longest = ""; loss = match($0, /L = [^,:]*/) ? substr($0, RSTART + 4, RLENGTH - 4) : "-" }
    /^floor / { a = $2; b = $9 }
    /^longest / { longest = $2 }
    END { flush() }' "$out/errors.txt" | tee -a "$out/steps.csv"
}

echo "file,way,batch,loss,seconds_per_step,share_of_product_peak,share_of_bandwidth,longest_dispatch_ms" >"$out/steps.csv"
read -ra files <<<"${FILES:-experiments/first.soc experiments/socm/quadratic_ou_easy.soc experiments/socm/double_well.soc}"
read -ra batches <<<"${BATCHES:-128 1024 16384}"
read -ra ways <<<"${WAYS:-gpu gpu-f16 gpu-units cpu}"
for file in "${files[@]}"; do
  for batch in "${batches[@]}"; do
    for way in "${ways[@]}"; do
      case $way in
        gpu) chosen=("${place[@]}") ;;
        gpu-f16) chosen=("${place[@]}" --activations f16) ;;
        gpu-units) chosen=("${place[@]}" --matrix-units) ;;
        cpu) chosen=(--backend cpu) ;;
      esac
      timeout "$limit" "$socrun" run "$file" "${chosen[@]}" --set "batch=$batch" --steps 20 --json --quiet --timing --force \
        --out "$out/run" >"$out/run.json" 2>"$out/errors.txt" && rows "$file,$way,$batch" ||
        echo "$file,$way,$batch,over $limit s or refused: $(grep -m1 '×' "$out/errors.txt" | tr -d ',')" | tee -a "$out/steps.csv"
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

echo "peer,problem,batch,loss,seconds_per_step" >"$out/peers.csv"
on=${PEERS_ON:-gpu}
jax_python=${JAX_PYTHON:-${PYTHON:-python3}}
torch_python=${TORCH_PYTHON:-${PYTHON:-python3}}
# JAX would take products of f32 by TF32 on a card that has it; PyTorch and we do not.
export JAX_DEFAULT_MATMUL_PRECISION=float32
[ "$on" = cpu ] && export JAX_PLATFORMS=cpu CUDA_VISIBLE_DEVICES=
have_jax="import jax, optax; assert '$on' == 'cpu' or jax.default_backend() == 'gpu'"
have_torch="import torch, numpy; assert '$on' == 'cpu' or torch.cuda.is_available()"
peers=()
"$jax_python" -c "$have_jax" 2>/dev/null && peers+=(jax) || echo "no JAX for a $on here" | tee -a "$out/peers.csv"
"$torch_python" -c "$have_torch" 2>/dev/null && peers+=(torch torch-compiled) || echo "no PyTorch for a $on here" | tee -a "$out/peers.csv"
read -ra problems <<<"${PEERS:-quadratic double_well}"
read -ra losses <<<"${LOSSES:-rollout socm_adjoint adjoint_matching relative_entropy log_variance cross_entropy socm}"
for peer in ${peers[@]+"${peers[@]}"}; do
  case $peer in
    jax) command=("$jax_python" benches/compare/step.py) more=() ;;
    torch) command=("$torch_python" benches/compare/torch_step.py) more=() ;;
    torch-compiled) command=("$torch_python" benches/compare/torch_step.py) more=(--compiled) ;;
  esac
  for problem in "${problems[@]}"; do
    for batch in "${batches[@]}"; do
      for loss in "${losses[@]}"; do
        row=$(timeout "$limit" "${command[@]}" "$loss" --problem "$problem" --batch "$batch" --rounds "${ROUNDS:-12}" \
          ${more[@]+"${more[@]}"} 2>"$out/errors.txt") || row="$loss over $limit s or refused"
        echo "$peer,$problem,$batch,${row/ /,}" | tee -a "$out/peers.csv"
      done
    done
  done
done
