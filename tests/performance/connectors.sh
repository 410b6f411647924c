#!/usr/bin/env bash
# How many events per second come in through each connector: from a full source, into one subscribed client and into 1,000. And how much memory
# the server needs at most while it works through 1,000,000 messages that waited for it.
#   cargo build --release && tests/performance/connectors.sh
# In: the release build, or TURTED, another one; Node.js, redis-server, rabbitmq-server, amqp-tools; FEW, MANY and WAITING, other counts for a quick try.
# Out: two tables of Markdown rows. For the file connector `tail -F` reads the same lines in the same run.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
turted=${TURTED:-${CARGO_TARGET_DIR:-$root/target}/release/turted}
# With 1,000 clients, with one, and those that wait.
few=${FEW:-5000} many=${MANY:-100000} waiting=${WAITING:-1000000}
scratch=$(mktemp -d)
trap 'kill -KILL $(jobs -p) 2>/dev/null || true; wait 2>/dev/null; rm -rf "$scratch"' EXIT
ulimit -n "$(ulimit -Hn)"
address=127.0.0.1:7341
redis_port=7342
tcp_port=7343
amqp=amqp://guest:guest@127.0.0.1:7344/%2f

# events N: N pushes, a line each, of about 170 bytes.
events() {
  seq "$1" | awk '{ printf "{\"event\":\"E\",\"targets\":{\"channels\":[\"bench\"]},\"payload\":{\"n\":%d,\"text\":\"%099d!\"}}\n", $1, 0 }'
}

# section: the section [connectors.in] on standard input becomes the server's configuration. A source is not slowed down by slow clients: whoever falls too far
# behind is sent away. So that every client gets every event, all of them have room in its outbox.
section() {
  { printf '[limits]\nconnections_per_address = 5000\noutbox_bytes = "64 MiB"\noutbox_frames = 1000000\n[connectors.in]\n'; cat; } >"$scratch/turted.toml"
}

serve() {
  "$turted" serve --listen "$address" --config "$scratch/turted.toml" </dev/null >"$scratch/log" 2>&1 &
  server=$!
  until curl -s -o "$scratch/ready" "http://$address/health/ready"; do sleep 0.05; done
}

end() {
  kill "$@" 2>/dev/null || true
  wait "$@" 2>/dev/null || true
}

# measure LABEL CLIENTS EVENTS: lets the clients in, calls `begin`, and prints a row when each client has every event.
measure() {
  local from to
  serve
  coproc clients { exec node "$root/tests/performance/clients.mjs" "${address#*:}" "$2" "$3"; }
  said ready
  from=$(date +%s%N)
  begin &
  said 'done'
  to=$(date +%s%N)
  awk -v l="$1" -v c="$2" -v e="$3" -v t="$((to - from))" 'BEGIN { printf "| %s | %d | %d | %.0f |\n", l, c, e, e / (t / 1e9) }'
  end "$server"
}

# said WORD: waits until the clients say it.
said() {
  local word
  read -r -t 120 word <&"${clients[0]}" && [ "$word" = "$1" ] || { echo "the clients never said $1" >&2; tail -n 20 "$scratch/log" >&2; exit 1; }
}

# work_through LABEL: takes everything that waits, without clients, and prints what memory that took.
work_through() {
  serve
  until [ "$(curl -s "http://$address/metrics" | awk '/^turted_connector_events_total/ { print $2 }')" = "$waiting" ]; do sleep 0.2; done
  awk -v l="$1" -v w="$waiting" '/^VmHWM/ { printf "| %s | %d | %.0f |\n", l, w, $2 / 1024 }' "/proc/$server/status"
  end "$server"
}

redis-server --port "$redis_port" --save '' --dir "$scratch" --client-output-buffer-limit 'pubsub 0 0 0' >/dev/null &
until redis-cli -p "$redis_port" ping >/dev/null 2>&1; do sleep 0.05; done

# The broker has a name, ports and files of its own, and its port mapper as well.
export HOME=$scratch ERL_EPMD_PORT=7346 ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_NODENAME=turted-bench@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT=7344 RABBITMQ_DIST_PORT=7345
export RABBITMQ_CTL_DIST_PORT_MIN=7350 RABBITMQ_CTL_DIST_PORT_MAX=7399
export RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILE=$scratch/rabbitmq RABBITMQ_ENABLED_PLUGINS_FILE=$scratch/plugins
export RABBITMQ_MNESIA_BASE=$scratch/data RABBITMQ_LOG_BASE=$scratch/rabbitmq-log RABBITMQ_FEATURE_FLAGS_FILE=$scratch/flags
export RABBITMQ_PLUGINS_EXPAND_DIR=$scratch/expanded RABBITMQ_PID_FILE=$scratch/pid
printf 'log.console = false\n' >"$scratch/rabbitmq.conf"
printf '[].\n' >"$scratch/plugins"
epmd -address 127.0.0.1 -port "$ERL_EPMD_PORT" &
# `detached` makes the script become the broker instead of its parent.
detached=true /usr/lib/rabbitmq/bin/rabbitmq-server >"$scratch/rabbitmq-output" 2>&1 &
broker=$!
until amqp-declare-queue -u "$amqp" -q bench -d >/dev/null 2>&1; do
  kill -0 "$broker" 2>/dev/null || { cat "$scratch/rabbitmq-output" >&2; exit 1; }
  sleep 0.2
done

# queued COUNT: a queue with this many messages, which a broker writes down.
queued() {
  amqp-delete-queue -u "$amqp" -q bench >/dev/null
  amqp-declare-queue -u "$amqp" -q bench -d >/dev/null
  events "$1" | amqp-publish -u "$amqp" -r bench -p -l
}

printf '| way in | clients | events | events/s |\n|---|--:|--:|--:|\n'

# Everything waits in the queue before the server starts; the broker stands still until the clients are there.
section <<<"type = \"rabbitmq\"
url = \"$amqp\"
queue = \"bench\""
begin() { kill -CONT "$broker"; }
for run in "1 $many" "1000 $few"; do
  read -r clients count <<<"$run"
  queued "$count"
  kill -STOP "$broker"
  measure RabbitMQ "$clients" "$count"
done

section <<<"type = \"redis\"
url = \"redis://127.0.0.1:$redis_port\"
streams = [\"s\"]"
begin() { redis-cli -p "$redis_port" --pipe <"$scratch/commands" >/dev/null; }
for run in "1 $many" "1000 $few"; do
  read -r clients count <<<"$run"
  events "$count" | sed "s/.*/XADD s * body '&'/" >"$scratch/commands"
  redis-cli -p "$redis_port" DEL s >/dev/null
  measure 'Redis Streams' "$clients" "$count"
done

# Pub/Sub holds nothing back, so all of it has to find room in the buffer.
section <<<"type = \"redis\"
url = \"redis://127.0.0.1:$redis_port\"
channels = [\"c\"]
buffer = \"256 MiB\""
for run in "1 $many" "1000 $few"; do
  read -r clients count <<<"$run"
  events "$count" | sed "s/.*/PUBLISH c '&'/" >"$scratch/commands"
  measure 'Redis Pub/Sub' "$clients" "$count"
done

section <<<"type = \"tcp\"
address = \"127.0.0.1:$tcp_port\""
begin() { cat "$scratch/lines" >"/dev/tcp/127.0.0.1/$tcp_port"; }
for run in "1 $many" "1000 $few"; do
  read -r clients count <<<"$run"
  events "$count" >"$scratch/lines"
  measure TCP "$clients" "$count"
done

mkdir "$scratch/watched"
section <<<"type = \"file\"
paths = [\"$scratch/watched/app.log\"]
envelope = \"turted\""
begin() { mv "$scratch/lines" "$scratch/watched/app.log"; }
for run in "1 $many" "1000 $few"; do
  read -r clients count <<<"$run"
  rm -f "$scratch/watched/app.log"
  events "$count" >"$scratch/lines"
  measure file "$clients" "$count"
done
events "$waiting" >"$scratch/lines"
from=$(date +%s%N)
tail -n +1 -F "$scratch/lines" 2>/dev/null | head -n "$waiting" >/dev/null || true
to=$(date +%s%N)
awk -v w="$waiting" -v t="$((to - from))" 'BEGIN { printf "| `tail -F` into nothing | – | %d | %.0f |\n", w, w / (t / 1e9) }'

printf '\n| what waits | messages | MiB at most |\n|---|--:|--:|\n'

queued "$waiting"
section <<<"type = \"rabbitmq\"
url = \"$amqp\"
queue = \"bench\""
work_through 'a RabbitMQ queue'

redis-cli -p "$redis_port" DEL s >/dev/null
events "$waiting" | sed "s/.*/XADD s * body '&'/" | redis-cli -p "$redis_port" --pipe >/dev/null
section <<<"type = \"redis\"
url = \"redis://127.0.0.1:$redis_port\"
streams = [\"s\"]
start = \"beginning\""
work_through 'a Redis stream'
