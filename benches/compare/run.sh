#!/usr/bin/env bash
# Our times and peak memory beside JAX's for the same work, alternating on this machine; medians, ratios and the floor.
# Usage: benches/compare/run.sh [rounds] [row…]
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=target/compare
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" -q install jax optax numpy
fi
cargo build --quiet --release
exec "$venv/bin/python" benches/compare/compare.py "$@"
