#!/usr/bin/env bash
# Our training step beside JAX's for the same work, alternating on this machine; prints medians and ratios.
# Usage: benches/compare/run.sh [rounds]
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-5}
venv=target/compare
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" -q install jax optax numpy
fi
cargo build --quiet --release
socrun=target/release/socrun
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
printf '%-18s %12s %12s %8s\n' loss "ours (ms)" "JAX (ms)" ratio
for loss in socm_adjoint adjoint_matching relative_entropy log_variance cross_entropy socm; do
  value=$loss
  if [ "$loss" = socm ]; then value="socm(_, _, M)"; fi
  : >"$out/pairs"
  for _ in $(seq "$rounds"); do
    ours=$("$socrun" experiments/socm/quadratic_ou_easy.soc --set "L=[$value]" --steps 60 -q --json --out "$out/run" 2>/dev/null |
      "$venv/bin/python" -c 'import json, sys; print(json.load(sys.stdin)["cells"][0]["seconds_per_step"]["median"])')
    jax=$("$venv/bin/python" benches/compare/step.py "$loss" --rounds 6 2>/dev/null | awk '{ print $2 }')
    echo "$ours $jax" >>"$out/pairs"
  done
  "$venv/bin/python" - "$loss" "$out/pairs" <<'P'
import statistics, sys
pairs = [tuple(map(float, line.split())) for line in open(sys.argv[2])]
ours, jax = (statistics.median(p[i] for p in pairs) * 1e3 for i in (0, 1))
print(f"{sys.argv[1]:<18} {ours:12.2f} {jax:12.2f} {statistics.median(j / o for o, j in pairs):8.2f}")
P
done
