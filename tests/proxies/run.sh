#!/usr/bin/env bash
# A real nginx and a real Caddy in front of a server, all three set up with what the README says in "Behind a proxy",
# and clients that come through them. Whatever is started is stopped, whatever is installed goes to a folder that is
# gone afterwards.
#   tests/proxies/run.sh [BINARY]    BINARY: target/debug/turted by default
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
stories=$root/tests/proxies
binary=$(realpath "${1:-${CARGO_TARGET_DIR:-$root/target}/debug/turted}")
# Debian has nginx where only root looks.
PATH=$PATH:/usr/sbin
scratch=$(mktemp -d)
children=()

finish() {
  local status=$? child log
  for child in "${children[@]}"; do
    kill -TERM "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  done
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

cut() { node "$stories/snippet.mjs" "$root/README.md" "$@"; }

free_port() {
  node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

# until_true CHILD COMMAND…: waits, for a while, as long as the child lives.
until_true() {
  local child=$1
  shift
  for _ in $(seq 400); do
    if "$@"; then
      return 0
    fi
    kill -0 "$child" 2>/dev/null || return 1
    sleep 0.05
  done
  return 1
}

says_where() { url=$(grep -oEm1 'http://127\.0\.0\.1:[1-9][0-9]*' "$scratch/turted.log"); }
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }

# proxy LANGUAGE COMMAND…: starts it on a port that is free, with its part of the README; sets port. Somebody else may
# have taken the port meanwhile: then it gets another.
proxy() {
  local language=$1
  shift
  for _ in 1 2 3; do
    port=$(free_port)
    cut "$language" "$scratch" "$port" "${url#http://}" >"$scratch/$language"
    "$@" "$scratch/$language" >"$scratch/$language.log" 2>&1 </dev/null &
    children+=($!)
    until_true $! listens && return 0
    kill -TERM $! 2>/dev/null || true
  done
  fail "the proxy for $language did not start"
}

for tool in node npm nginx caddy; do
  command -v "$tool" >/dev/null || fail "missing: $tool; on Debian: apt-get install nodejs npm nginx caddy"
done
[ -x "$binary" ] || fail "no server at $binary; cargo build makes it"

cp "$stories"/{package.json,*.mjs} "$scratch"
cd "$scratch"
npm install --no-audit --no-fund --loglevel=error || fail 'npm install failed: is there a network?'

export TURTED_PUSH_PASSWORD='correct horse battery staple'
cut toml >turted.toml
# A machine may stand still longer than a client usually has for the head of its request.
TURTED_LIMITS__HEADER_TIMEOUT=60s "$binary" serve --config turted.toml >turted.log 2>&1 </dev/null &
children+=($!)
until_true $! says_where || fail 'the server did not start'

proxy nginx nginx -p "$scratch" -e stderr -c
export NGINX=http://push.example.com:$port
proxy caddyfile env XDG_CONFIG_HOME="$scratch" caddy run --adapter caddyfile --config
export CADDY=https://push.example.com:$port CADDY_AUTHORITY=$scratch/caddy/pki/authorities/local/root.crt

# Longest is a poll that hears nothing for 25 s; when a proxy is gone in the middle, each story would wait to the end
# of its patience.
timeout --kill-after=5 180 node --test --test-reporter=spec stories.mjs || fail 'stories failed, or they took more than 180 s'
