#!/usr/bin/env bash
# Runs every fuzz target for a while, one after the other, and says what came of it. Inputs that were found are kept
# below the target folder for the next time.
#   fuzz/run.sh [SECONDS]           each target for so long, 30 by default
#   TARGETS='native push' fuzz/run.sh
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-30}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || {
  echo "usage: fuzz/run.sh [SECONDS], a whole number from 1" >&2
  exit 2
}
command -v "${CXX:-c++}" >/dev/null || {
  echo 'missing: a C++ compiler, which libFuzzer is built with; on Debian: g++' >&2
  exit 1
}
mkdir -p "${CARGO_TARGET_DIR:-target}"
target=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)
PATH=$target/tools/bin:$PATH
command -v cargo-fuzz >/dev/null || cargo install --quiet --locked --root "$target/tools" cargo-fuzz@0.13.2

# What is fuzzed is built from the versions that the program is built from.
cp Cargo.lock fuzz/Cargo.lock
# There is no `unsafe` to watch, so no sanitizer, and without one a stable compiler will do.
cargo fuzz build --sanitizer none --target-dir "$target/fuzz"
host=$(rustc -vV | sed -n 's/^host: //p')
bins=$target/fuzz/$host/release
corpus=$target/fuzz/corpus
fuzz/seed.sh "$corpus"

crashed=()
printf '\n%-18s %12s  %s\n' target executions result
for name in ${TARGETS:-$(cargo fuzz list)}; do
  crashes=$target/fuzz/crashes/$name
  log=$target/fuzz/$name.log
  mkdir -p "$corpus/$name" "$crashes"
  result=well
  if ! RUST_BACKTRACE=1 "$bins/$name" "$corpus/$name" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
    -rss_limit_mb=2048 -artifact_prefix="$crashes/" -print_final_stats=1 >"$log" 2>&1 </dev/null; then
    result="CRASHED, see $log"
    crashed+=("$name")
  fi
  printf '%-18s %12s  %s\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)" "$result"
done

for name in "${crashed[@]}"; do
  input=$(sed -n 's/.*Test unit written to //p' "$target/fuzz/$name.log" | tail -n 1)
  echo "!!! $name crashed; once more: $bins/$name $input" >&2
done
[ ${#crashed[@]} -eq 0 ]
