#!/usr/bin/env bash
# turted beside Nchan and Socket.IO: the same benchmark, the same machine, one after the other, as one table.
#
#     cargo build --release && tests/performance/compare.sh
#
# TURTED       the turted binary to measure                 (target/release/turted)
# BENCH        the command that measures                    ("$TURTED bench")
# SERVERS      which servers                                (turted nchan socketio)
# SUBSCRIBERS  how many subscribers, one block of rows each (1000 10000)
# WINDOWS      dispatches in flight, the same               (1 16)
# DELIVERIES   measured deliveries per row                  (1000000)
#
# Every row has a freshly started server, so that no row's memory or caches help the next. Ends with an error when a
# server failed, or lost or doubled a delivery. Everything started or written here is gone afterwards.
# Needs Linux, node, npm and `ulimit -Hn` above the number of subscribers; peers.sh installs the rest.

set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/peers.sh"

TURTED=${TURTED:-$here/../../target/release/turted}
BENCH=${BENCH:-$TURTED bench}
SERVERS=${SERVERS:-turted nchan socketio}
SUBSCRIBERS=${SUBSCRIBERS:-1000 10000}
WINDOWS=${WINDOWS:-1 16}
DELIVERIES=${DELIVERIES:-1000000}

if [[ " $SERVERS " == *" turted "* && ! -x $TURTED ]]; then
    echo "error: no turted binary at $TURTED; run 'cargo build --release' or set TURTED" >&2
    exit 1
fi

ulimit -Sn "$(ulimit -Hn)"
dir=$(mktemp -d)
TURTED_PID='' failed=''

stop_all() {
    stop_peers || true
    if [ -n "$TURTED_PID" ]; then
        kill "$TURTED_PID" 2>/dev/null && wait "$TURTED_PID" 2>/dev/null || true
        TURTED_PID=''
    fi
}
trap 'stop_all; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

start_turted() {
    local port
    port=$(free_port)
    cat >"$dir/turted.toml" <<CONF
[server]
listen = "127.0.0.1:$port"
[limits]
connections = 50000
connections_per_address = 50000
CONF
    "$TURTED" serve --config "$dir/turted.toml" >"$dir/turted.log" 2>&1 &
    TURTED_PID=$!
    TURTED_URL=http://127.0.0.1:$port
    await_port "$port" "$TURTED_PID" "$dir/turted.log"
}

# measure SERVER SUBSCRIBERS WINDOW: one row, as a line of JSON in results.
measure() {
    local server=$1 subscribers=$2 window=$3 url pid publishes
    "start_$server" "$dir"
    url="${server^^}_URL" pid="${server^^}_PID"
    publishes=$((DELIVERIES / subscribers))
    echo "measuring $server, $subscribers subscribers, $window in flight ..." >&2
    $BENCH --peer "$server" --url "${!url}" --pid "${!pid}" --subscribers "$subscribers" --window "$window" \
        --publishes "$((publishes < 50 ? 50 : publishes))" --json >"$dir/row.json" ||
        failed+=" $server/$subscribers/$window"
    echo "{\"server\":\"$server\",\"subscribers\":$subscribers,\"window\":$window,\"result\":$(grep . "$dir/row.json" || echo null)}" \
        >>"$dir/results"
    stop_all
}

for subscribers in $SUBSCRIBERS; do
    for window in $WINDOWS; do
        for server in $SERVERS; do
            measure "$server" "$subscribers" "$window"
        done
    done
done

node - "$dir/results" <<'TABLE'
const rows = require("fs").readFileSync(process.argv[2], "utf8").trim().split("\n").map((line) => JSON.parse(line));
const columns = [
  ["subscribers", (row) => row.subscribers.toLocaleString("en")],
  ["in flight", (row) => row.window],
  ["server", (row) => row.server],
  ["CPU µs/delivery", (row) => row.result?.server?.cpu_us_per_delivery, 2],
  ["deliveries/s", (row) => row.result?.deliveries_per_second, 0],
  ["p50 ms", (row) => row.result?.latency_ms.p50, 1],
  ["p99 ms", (row) => row.result?.latency_ms.p99, 1],
  ["KiB/connection", (row) => row.result?.server && row.result.server.memory_per_connection / 1024, 1],
  ["lost", (row) => row.result?.lost, 0],
  ["doubled", (row) => row.result?.doubled, 0],
];
const number = (value, digits) =>
  value == null ? "failed" : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

const table = [columns.map(([title]) => title)];
for (const row of rows) {
  table.push(columns.map(([, value, digits]) => (digits == null ? String(value(row)) : number(value(row), digits))));
  const group = rows.filter((other) => other.subscribers === row.subscribers && other.window === row.window);
  const turted = group.find((other) => other.server === "turted");
  if (row !== group.at(-1)) continue;
  for (const peer of turted ? group.filter((other) => other !== turted) : []) {
    const ratio = ([title, value, digits]) => {
      if (title === "server") return `turted/${peer.server}`;
      const [mine, theirs] = [value(turted), value(peer)];
      const comparable = digits != null && title !== "lost" && title !== "doubled" && mine > 0 && theirs > 0;
      return comparable ? `× ${(mine / theirs).toFixed(2)}` : "";
    };
    table.push(columns.map(ratio));
  }
  table.push(columns.map(() => ""));
}
const widths = columns.map((_, index) => Math.max(...table.map((line) => line[index].length)));
const pad = (text, index) => (index === 2 ? text.padEnd(widths[index]) : text.padStart(widths[index]));
for (const line of table) console.log(line.map(pad).join("  ").trimEnd());
TABLE

if [ -n "$failed" ]; then
    echo "error: failed, lost or doubled something:$failed" >&2
    exit 1
fi
