#!/bin/sh
# Makes every report in benches/reports again: benches/run.sh [REPEAT [SPU_REPEAT]], 5 and 5 if unset. Takes hours with SPU's
# large networks on the wide-area link; run it while the machine does nothing else.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
repeat=${1:-5}
target=${CARGO_TARGET_DIR:-$root/target}
cargo build --quiet --release --workspace --bins
"$target/release/mpcc" calibrate -o "$target/machine.json"
"$target/release/mpcc" bench models --net loopback,wan --repeat "$repeat" --machine "$target/machine.json" --output benches/reports/models.md
"$target/release/mpcc" bench scaling --net loopback,wan --repeat "$repeat" --machine "$target/machine.json" --output benches/reports/scaling
benches/peers/run.sh --repeat "$repeat" --spu-repeat "${2:-$repeat}" --output benches/reports/peers
