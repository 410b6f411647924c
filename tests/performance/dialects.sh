#!/usr/bin/env bash
# What the dialects cost: WebSocket clients of Socket.IO, SockJS and Bayeux beside those of the native protocol, in turns, as one table.
#
#     cargo build --release && tests/performance/dialects.sh
#
# TURTED       the turted binary to measure                 (target/release/turted)
# SUBSCRIBERS  how many                                     (10000)
# PUBLISHES    measured dispatches per row, one in flight   (100)
# ROUNDS       how often each dialect has its turn          (3)
#
# Every row has a freshly started server. The table has the median of the rounds; it fails when anything was lost or doubled.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
turted=${TURTED:-$here/../../target/release/turted}
subscribers=${SUBSCRIBERS:-10000}
publishes=${PUBLISHES:-100}
rounds=${ROUNDS:-3}
dir=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$dir"' EXIT
ulimit -Sn "$(ulimit -Hn)"

# measure DIALECT: one row, as a line of JSON.
measure() {
  local address=127.0.0.1:7344
  "$turted" serve --listen "$address" --set limits.connections_per_address=50000 >"$dir/log" 2>&1 &
  server=$!
  until curl -s -o /dev/null "http://$address/health/ready"; do sleep 0.05; done
  echo "measuring $1 ..." >&2
  "$turted" bench --peer "$1" --url "http://$address" --pid "$server" --subscribers "$subscribers" --publishes "$publishes" --json |
    tr -d '\n' | sed "s/^/{\"dialect\":\"$1\",\"result\":/; s/\$/}\n/" >>"$dir/rows"
  kill "$server"
  wait "$server" || true
  server=
}

for _ in $(seq "$rounds"); do
  for dialect in turted sockjs socketio bayeux; do
    measure "$dialect"
  done
done

node - "$dir/rows" <<'TABLE'
const rows = require("fs").readFileSync(process.argv[2], "utf8").trim().split("\n").map((line) => JSON.parse(line));
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const of = (dialect, value) => median(rows.filter((row) => row.dialect === dialect).map((row) => value(row.result)));
const cpu = (result) => result.server.cpu_us_per_delivery;
const kib = (result) => result.server.memory_per_connection / 1024;
console.log("| dialect | CPU µs per delivery | beside native | KiB per connection |\n|---|--:|--:|--:|");
for (const dialect of ["turted", "sockjs", "socketio", "bayeux"]) {
  const ratio = (of(dialect, cpu) / of("turted", cpu)).toFixed(2);
  console.log(`| ${dialect} | ${of(dialect, cpu).toFixed(2)} | × ${ratio} | ${of(dialect, kib).toFixed(1)} |`);
}
const wrong = rows.filter(({ result }) => result.lost || result.doubled);
if (wrong.length) {
  console.error(`error: something was lost or doubled: ${JSON.stringify(wrong)}`);
  process.exit(1);
}
TABLE
