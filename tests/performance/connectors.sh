#!/usr/bin/env bash
# How many events per second come in through each connector: from a full source, into one subscribed client and into 1,000.
#   cargo build --release && tests/performance/connectors.sh
# In: the release build, redis-server. Out: a table of Markdown rows. For the file connector `tail -F` reads the same file in the same run.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
turted=${TURTED:-${CARGO_TARGET_DIR:-$root/target}/release/turted}
scratch=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$scratch"' EXIT
ulimit -n "$(ulimit -Hn)"
address=127.0.0.1:7341
redis_port=7342
tcp_port=7343

# events N: N pushes, a line each, of about 170 bytes.
events() {
  seq "$1" | awk '{ printf "{\"event\":\"E\",\"targets\":{\"channels\":[\"bench\"]},\"payload\":{\"n\":%d,\"text\":\"%0100d\"}}\n", $1, 0 }'
}

taken() {
  curl -s "http://$address/metrics" | awk -v name="$1" '$1 ~ "^turted_connector_events_total.*\"" name "\"" { print $2 }'
}

# measure NAME CLIENTS EVENTS: starts the server with the section in $scratch/NAME.toml, and prints a row when all events are taken.
measure() {
  local name=$1 clients=$2 count=$3 server bench begin end
  { printf '[limits]\nconnections_per_address = 5000\n'; cat "$scratch/$name.toml"; } >"$scratch/turted.toml"
  "$turted" serve --listen "$address" --config "$scratch/turted.toml" >"$scratch/log" 2>&1 &
  server=$!
  until curl -s -o "$scratch/ready" "http://$address/health/ready"; do sleep 0.05; done
  "$turted" bench --url "http://$address" --subscribers "$clients" --publishes 2 --warmup 0 --rate 0.02 >"$scratch/bench" 2>&1 &
  bench=$!
  until [ "$(curl -s "http://$address/metrics" | awk '$1 == "turted_connections" { print $2 }')" = "$clients" ]; do sleep 0.05; done
  begin=$(date +%s%N)
  "$scratch/start" "$count" &
  until [ "$(taken "$name")" = "$count" ]; do sleep 0.02; done
  end=$(date +%s%N)
  awk -v n="$name" -v c="$clients" -v e="$count" -v t="$((end - begin))" \
    'BEGIN { printf "| %s | %d | %d | %.0f |\n", n, c, e, e / (t / 1e9) }'
  kill "$bench" "$server" 2>/dev/null || true
  wait "$bench" "$server" 2>/dev/null || true
}

printf '| way in | clients | events | events/s |\n|---|--:|--:|--:|\n'

redis-server --port "$redis_port" --save '' --dir "$scratch" >/dev/null &
until redis-cli -p "$redis_port" ping >/dev/null 2>&1; do sleep 0.05; done
printf '[connectors.redis]\ntype = "redis"\nurl = "redis://127.0.0.1:%s"\nstreams = ["s"]\n' "$redis_port" >"$scratch/redis.toml"
cat >"$scratch/start" <<START
#!/usr/bin/env bash
cat "$scratch/xadd" | redis-cli -p $redis_port --pipe >/dev/null
START
chmod +x "$scratch/start"
for run in "1 100000" "1000 5000"; do
  read -r clients count <<<"$run"
  events "$count" | sed "s/'/ /g; s/.*/XADD s * body '&'/" >"$scratch/xadd"
  redis-cli -p "$redis_port" DEL s >/dev/null
  measure redis "$clients" "$count"
done

printf '[connectors.tcp]\ntype = "tcp"\naddress = "127.0.0.1:%s"\n' "$tcp_port" >"$scratch/tcp.toml"
printf '#!/usr/bin/env bash\ncat "%s/lines" >/dev/tcp/127.0.0.1/%s\n' "$scratch" "$tcp_port" >"$scratch/start"
for run in "1 100000" "1000 5000"; do
  read -r clients count <<<"$run"
  events "$count" >"$scratch/lines"
  measure tcp "$clients" "$count"
done

printf '[connectors.file]\ntype = "file"\npaths = ["%s/watched/app.log"]\nenvelope = "turted"\n' "$scratch" >"$scratch/file.toml"
mkdir "$scratch/watched"
printf '#!/usr/bin/env bash\nmv "%s/lines" "%s/watched/app.log"\n' "$scratch" "$scratch" >"$scratch/start"
for run in "1 100000" "1000 5000"; do
  read -r clients count <<<"$run"
  rm -f "$scratch/watched/app.log"
  events "$count" >"$scratch/lines"
  measure file "$clients" "$count"
done
events 1000000 >"$scratch/lines"
begin=$(date +%s%N)
tail -n +1 -F "$scratch/lines" 2>/dev/null | head -n 1000000 >/dev/null || true
end=$(date +%s%N)
awk -v t="$((end - begin))" 'BEGIN { printf "| `tail -F` into nothing | – | 1000000 | %.0f |\n", 1e6 / (t / 1e9) }'

# What the server needs at most while it works through a stream of 1,000,000 entries that waited for it.
events 1000000 | sed "s/'/ /g; s/.*/XADD w * body '&'/" | redis-cli -p "$redis_port" --pipe >/dev/null
printf '[connectors.redis]\ntype = "redis"\nurl = "redis://127.0.0.1:%s"\nstreams = ["w"]\nstart = "beginning"\n' "$redis_port" >"$scratch/turted.toml"
"$turted" serve --listen "$address" --config "$scratch/turted.toml" </dev/null >"$scratch/log" 2>&1 &
server=$!
until [ "$(taken redis)" = 1000000 ]; do sleep 0.2; done
awk '/^VmHWM/ { printf "\n1,000,000 waiting entries: %.0f MiB at most, the log of the last dispatches included\n", $2 / 1024 }' "/proc/$server/status"
