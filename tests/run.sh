#!/usr/bin/env bash
# Every test there is, on a fresh Debian with Rust: the Rust tests of all crates, then the stories about the browser
# client and the pages against a real server. Installs what is missing and leaves nothing running.
#   tests/run.sh            screenshots go to target/artefacts
#   tests/run.sh --install  only installs
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
artefacts=$target/artefacts
scratch=$(mktemp -d)
server=
redis=
services=

finish() {
  local status=$?
  if [ -n "$server" ] && kill -0 "$server" 2>/dev/null; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  if [ -n "$redis" ]; then
    kill "$redis" 2>/dev/null || true
  fi
  if [ -n "$services" ]; then
    kill "$services" 2>/dev/null || true
  fi
  if [ "$status" -ne 0 ] && [ -s "$scratch/server.log" ]; then
    echo '--- what the server said ---' >&2
    cat "$scratch/server.log" >&2
  fi
  rm -rf "$scratch"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() { printf '\n=== %s ===\n' "$*"; }

fail() {
  printf '\n!!! %s\n' "$*" >&2
  exit 1
}

# start ARGUMENT…: a server in its default configuration but for its port and these arguments; sets server and url.
start() {
  # No pipe between the server and its log: with one, $! would be the wrong process.
  : >"$scratch/server.log"
  "$target/debug/turted" serve --config "$scratch/turted.toml" "$@" >"$scratch/server.log" 2>&1 </dev/null &
  server=$!
  url=
  for _ in $(seq 100); do
    url=$(grep -oE 'http://127\.0\.0\.1:[1-9][0-9]*' "$scratch/server.log" | head -n 1 || true)
    if [ -n "$url" ]; then
      return 0
    fi
    kill -0 "$server" 2>/dev/null || fail 'the server did not start'
    sleep 0.1
  done
  fail 'the server did not say where it listens'
}

# A port where nobody listens now.
free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'; }

stop() {
  kill -TERM "$server"
  wait "$server" || fail "the server ended with status $?"
  server=
}

chromium_path() {
  local candidate
  for candidate in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
    if [ -n "$candidate" ] && command -v "$candidate"; then
      return 0
    fi
  done
  return 1
}

# install_missing: one apt run for all that is absent, none at all when nothing is.
install_missing() {
  local packages=() as_root=()
  command -v node >/dev/null || packages+=(nodejs)
  command -v npm >/dev/null || packages+=(npm)
  /usr/bin/python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3-venv)
  command -v php >/dev/null || packages+=(php-cli)
  command -v composer >/dev/null || packages+=(composer)
  [ -e /usr/share/php/Illuminate/autoload.php ] || packages+=(php-laravel-framework)
  [ -e /usr/share/php/GuzzleHttp/autoload.php ] || packages+=(php-guzzlehttp-guzzle)
  local part
  for part in framework-bundle security-bundle yaml; do
    dpkg -s "php-symfony-$part" >/dev/null 2>&1 || packages+=("php-symfony-$part")
  done
  command -v javac >/dev/null || packages+=(default-jdk-headless)
  command -v mvn >/dev/null || packages+=(maven)
  command -v openssl >/dev/null || packages+=(openssl)
  command -v curl >/dev/null || packages+=(curl)
  /usr/bin/python3 -c 'import jwt, cryptography' 2>/dev/null || packages+=(python3-jwt python3-cryptography)
  /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
  command -v redis-server >/dev/null || packages+=(redis-server)
  command -v rabbitmq-server >/dev/null || [ -x /usr/sbin/rabbitmq-server ] || packages+=(rabbitmq-server)
  command -v cc >/dev/null || packages+=(gcc libc6-dev)
  command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || packages+=(nginx)
  command -v caddy >/dev/null || packages+=(caddy)
  chromium_path >/dev/null || packages+=(chromium)
  if [ ${#packages[@]} -eq 0 ]; then
    return 0
  fi
  step "installing ${packages[*]}"
  command -v apt-get >/dev/null || fail "missing: ${packages[*]}; this is no Debian, install them by hand"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "missing: ${packages[*]}; installing them needs root or sudo"
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -q || fail 'apt-get update failed: is there a network?'
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${packages[@]}" ||
    fail "could not install: ${packages[*]}"
}

command -v cargo >/dev/null || fail 'missing: cargo; see https://rustup.rs'
install_missing
# Go, where there is none, comes with it.
tests/services/ferretdb.sh >/dev/null || fail 'FerretDB could not be built: is there a network?'
chromium=$(chromium_path) || fail 'missing: chromium, even after installing it'
[ "${1:-}" != --install ] || exit 0

step 'building'
cargo build --workspace --all-targets --locked

step 'Rust tests'
cargo test --workspace --locked

step 'the guide for writers of connectors'
tests/connector_guide/run.sh

step 'scripts'
for script in static/*.js static/*.mjs tests/{browser,clients,connector_guide,documents,identity,performance,proxies,published}/*.mjs; do
  node --check "$script"
done
for script in tests/*.sh tests/*/*.sh .ci/*; do
  [ ! -e "$script" ] || bash -n "$script"
done

step 'browser stories: the client'
# The same layout as in the repository, because the stories import ../../static; node_modules stays out of the tree.
mkdir -p "$scratch/tests" "$artefacts"
cp -R static "$scratch/static"
cp -R tests/browser "$scratch/tests/browser"
rm -rf "$scratch/tests/browser/node_modules"
cd "$scratch/tests/browser"
npm install --no-audit --no-fund --loglevel=error || fail 'npm install failed: is there a network?'
node --test client.mjs

step 'browser stories: the pages'
printf '[server]\nlisten = "127.0.0.1:0"\n' >"$scratch/turted.toml"
start
TURTED_URL=$url CHROMIUM=$chromium ARTEFACTS=$artefacts node --test pages.mjs

step 'browser stories: the log page'
TURTED_URL=$url CHROMIUM=$chromium ARTEFACTS=$artefacts node --test log.mjs

step 'browser stories: from a file to the log page'
TURTED=$target/debug/turted CHROMIUM=$chromium ARTEFACTS=$artefacts node --test tail.mjs

step 'browser stories: how the pages look, and whether everybody can read and reach what they show'
TURTED=$target/debug/turted CHROMIUM=$chromium ARTEFACTS=$artefacts node --test looks.mjs

step 'browser stories: every transport, and which one is chosen'
TURTED=$target/debug/turted CHROMIUM=$chromium node --test transports.mjs choice.mjs

step 'the push clients and the npm package'
"$root/tests/clients/run.sh" "$url" "$target/debug/turted"

step 'the end of the server'
stop

step 'published clients of Socket.IO, Engine.IO, SockJS and EventSource'
# Its pings come often enough to be waited for.
start --set limits.ping=3s
"$root/tests/published/run.sh" "$url"
stop
start --set 'may.anyone.join=["open.**", "open_*"]' --set 'may.anyone.publish=["open.**", "open_*"]'
"$root/tests/published/run.sh" "$url" permissions.mjs
stop

step 'published clients of Primus, over three transformers'
primus() { printf -- '--set clients.%s.type=primus --set clients.%s.path=/%s --set clients.%s.transformer=%s --set clients.%s.event=WRITTEN --set clients.%s.channel=open ' "$1" "$1" "$1" "$1" "$2" "$1" "$1"; }
# shellcheck disable=SC2046 # words, none of which has a space
start --set limits.ping=3s --set 'may.anyone.join=["**"]' --set 'may.anyone.publish=["open"]' \
  $(primus primus-engine engine.io) $(primus primus-sockjs sockjs)
"$root/tests/published/run.sh" "$url" primus.mjs
stop

step 'published clients of nodefony, and a service that they bridge to'
TURTED_SERVICE=$(free_port)
export TURTED_SERVICE
# Each of its three entrances has the same services.
realtime() {
  local entrance=clients.$1 service
  printf -- '--set %s.type=nodefony --set %s.path=%s ' "$entrance" "$entrance" "$2"
  for service in "random tcp address=127.0.0.1:$TURTED_SERVICE" "closed tcp address=127.0.0.1:$closed" 'news channel channel=news' 'members channel channel=members'; do
    # shellcheck disable=SC2086 # three words
    set -- $service
    printf -- '--set %s.services.%s.type=%s --set %s.services.%s.%s ' "$entrance" "$1" "$2" "$entrance" "$1" "$3"
  done
}
closed=$(free_port)
# shellcheck disable=SC2046 # words, none of which has a space
start --set limits.ping=3s --set 'may.anyone.join=["news"]' --set 'may.anyone.publish=["news"]' --set 'may.anyone.call=["random","closed"]' \
  --set 'may.users.join=["members"]' $(realtime nodefony /realtime) $(realtime quiet /quiet) $(realtime secure /secure/realtime) \
  --set clients.quiet.reconnect=false --set clients.secure.login.users.tom.password=Grüße
"$root/tests/published/run.sh" "$url" nodefony.mjs
stop

step 'published clients of Bayeux: Faye, CometD and aiocometd'
start --set 'may.anyone.join=["**"]' --set 'may.anyone.publish=["**"]' --set limits.message_bytes=256KiB --set clients.bayeux.timeout=3s
"$root/tests/published/run.sh" "$url" bayeux.mjs bayeux_pages.mjs
stop

step 'realizehit: its clients, its API, and the Redis of its nodes'
TURTED_REDIS=$(free_port)
export TURTED_REDIS
redis-server --port "$TURTED_REDIS" --bind 127.0.0.1 --save '' --appendonly no >"$scratch/redis.log" 2>&1 </dev/null &
redis=$!
for _ in $(seq 100); do
  redis-cli -p "$TURTED_REDIS" ping >/dev/null 2>&1 && break
  kill -0 "$redis" 2>/dev/null || fail 'redis-server did not start'
  sleep 0.1
done
start --set clients.realizehit.enabled=true --set 'may.anyone.join=["story:**", "kind:**", "channel:**", "chat@*"]' \
  --set connectors.hits.type=redis --set "connectors.hits.url=redis://127.0.0.1:$TURTED_REDIS" --set 'connectors.hits.on_demand=["*:**"]' \
  --set 'connectors.hits.envelope={event="MESSAGE",channels="{channel}"}' \
  --set connectors.api.type=rest --set connectors.api.path=/ --set connectors.api.answers=realizehit --set connectors.api.through=hits
"$root/tests/published/run.sh" "$url" realizehit.mjs
stop
kill "$redis"
redis=

step "RackHD: clients of its shape, and the RabbitMQ and the MongoDB of its services"
"$target/debug/examples/services" rabbitmq ferretdb >"$scratch/services" 2>"$scratch/services.log" </dev/null &
services=$!
for _ in $(seq 900); do
  ! grep -q '^ready$' "$scratch/services" || break
  kill -0 "$services" 2>/dev/null || fail "$(cat "$scratch/services.log")"
  sleep 0.1
done
TURTED_AMQP=$(sed -n 's/^rabbitmq //p' "$scratch/services")
TURTED_MONGODB=$(sed -n 's/^ferretdb //p' "$scratch/services")
export TURTED_AMQP TURTED_MONGODB
resources='"catalogs","files","graphDefs","graphObjs","logs","lookups","nodes","pollers","profiles","skus","taskDefs","templates"'
start --set clients.rackhd.enabled=true --set clients.rackhd.resources.closed.enabled=true \
  --set clients.on-wss.type=rackhd --set clients.on-wss.path=/on-wss \
  --set connectors.on.type=rabbitmq --set "connectors.on.url=$TURTED_AMQP" --set connectors.on.on_demand=rackhd \
  --set responders.hardware.type=mongodb --set "responders.hardware.url=$TURTED_MONGODB" --set responders.hardware.collections=rackhd \
  --set "may.anyone.join=[$resources,\"mq:on.events:**\",\"mq:on.test:**\"]" --set "may.anyone.call=[$resources]"
"$root/tests/published/run.sh" "$url" rackhd.mjs
stop
kill "$services"
services=

step 'behind nginx and Caddy, as the README says'
"$root/tests/proxies/run.sh" "$target/debug/turted"

step 'tokens of other libraries and of an OpenID provider'
"$root/tests/identity/run.sh" "$target/debug/turted"

step 'every block of the documents about identity and permissions, and their examples in five frameworks'
"$root/tests/documents/run.sh" "$target/debug/turted"

step "all well; screenshots in $artefacts"
