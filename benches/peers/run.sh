#!/bin/sh
# Measures mpcc beside SPU on this machine, over the same links: benches/peers/run.sh [--models NAME …] [--nets loopback wan]
# [--repeat N] [--output REPORT]; --help lists more. Installs SPU from its Python package into a virtual environment
# (MPCC_PEERS_VENV, target/peers/venv if unset; the interpreter is MPCC_PEERS_PYTHON, python3 if unset) and builds the rest
# with cargo. Run it while the machine does nothing else.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
venv=${MPCC_PEERS_VENV:-$target/peers/venv}
if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
  "${MPCC_PEERS_PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/installed.txt"
fi
cargo build --quiet --release --manifest-path "$root/Cargo.toml" --workspace --bins --example wide-area
exec "$venv/bin/python" "$here/compare.py" --mpcc "$target/release/mpcc" --wide-area "$target/release/examples/wide-area" \
  --output "$target/peers/report" "$@"
