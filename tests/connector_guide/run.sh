#!/usr/bin/env bash
# The guide for writers of connectors, followed to the letter in a copy of this repository: its connector passes the
# suite, and a server that has it makes an event of a datagram. No network is needed once the repository itself has
# been built.
#   tests/connector_guide/run.sh    the copy stays in target/connector_guide until the next time
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
# Always the same folder: what is built in it next time takes the place of what was built this time.
copy=$target/connector_guide
scratch=$(mktemp -d)
children=()

finish() {
  local status=$? child log
  for child in "${children[@]}"; do
    kill -TERM "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  done
  # The server of the copy was built where that of the repository is.
  [ ! -e "$scratch/turted" ] || mv -f "$scratch/turted" "$target/debug/turted"
  if [ "$status" -ne 0 ]; then
    for log in "$scratch"/*.log; do
      [ ! -s "$log" ] || { printf -- '--- %s ---\n' "${log##*/}"; tail -n 50 "$log"; } >&2
    done
  fi
  rm -rf "$scratch"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  printf '\n!!! %s\n' "$*" >&2
  exit 1
}

# until_true CHILD COMMAND…: waits, for a while, as long as the child lives.
until_true() {
  local child=$1
  shift
  for _ in $(seq 300); do
    if "$@"; then
      return 0
    fi
    kill -0 "$child" 2>/dev/null || return 1
    sleep 0.1
  done
  return 1
}

# answers PATH PATTERN: whether the server says that there.
answers() {
  node --input-type=module -e '
    const [url, pattern] = process.argv.slice(1);
    const text = await fetch(url).then((answer) => answer.text(), () => "");
    process.exit(new RegExp(pattern, "m").test(text) ? 0 : 1);' "$url$1" "$2"
}

says_where() { url=$(grep -oEm1 'http://127\.0\.0\.1:[1-9][0-9]*' "$scratch/server.log"); }

for tool in cargo git node; do
  command -v "$tool" >/dev/null || fail "missing: $tool"
done

# No build artefacts, and nothing that only this machine has. Times of change stay, so that cargo sees what is really
# new.
rm -rf "$copy"
mkdir -p "$copy"
(cd "$root" && git ls-files -z | tar --create --null --files-from=-) | tar --extract --directory="$copy"
port=$(node -e 'const s = require("dgram").createSocket("udp4").bind(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
node "$root/tests/connector_guide/follow.mjs" "$copy" "$port" >"$scratch/send"

cd "$copy"
export CARGO_TARGET_DIR=$target
[ ! -e "$target/debug/turted" ] || cp -p "$target/debug/turted" "$scratch/turted"
# Not --locked: the workspace has a member more. It needs nothing that the others do not need.
cargo test --offline -p turted-udp
cargo build --offline --features udp

"$target/debug/turted" serve --listen 127.0.0.1:0 >"$scratch/server.log" 2>&1 </dev/null &
children+=($!)
until_true $! says_where || fail 'the server did not start'
until_true $! answers /health/ready '"sensors":\{[^}]*"state":"running"' || fail 'the connector does not run'
"$target/debug/turted" listen --url "$url" --channel sensors >"$scratch/heard.log" 2>&1 </dev/null &
children+=($!)
until_true $! answers /metrics '^turted_channels 1$' || fail 'nobody listens'
bash "$scratch/send"
until_true $! grep -q 'READING via channel sensors .* 21\.5$' "$scratch/heard.log" || fail 'no event came of the datagram'
echo 'the guide for writers of connectors holds'
