#!/usr/bin/env bash
# Published clients of Socket.IO, Engine.IO, SockJS, EventSource, Bayeux and others, unmodified and of several generations, against a running server.
# What is installed goes to a folder that is gone afterwards.
#   tests/published/run.sh URL            URL: a server in its default configuration, on loopback
#   tests/published/run.sh URL FILE…      only these stories, whose heads say what they ask of the server
set -euo pipefail

stories=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export TURTED_URL=${1:?usage: tests/published/run.sh URL [FILE…]}
files=("${@:2}")
[ ${#files[@]} -gt 0 ] || files=(socketio.mjs recovery.mjs engineio.mjs sockjs.mjs eventsource.mjs together.mjs)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  printf '\n!!! %s\n' "$*" >&2
  exit 1
}

for tool in node npm; do
  command -v "$tool" >/dev/null || fail "missing: $tool; on Debian: apt-get install nodejs npm"
done
node --input-type=module -e 'await fetch(process.env.TURTED_URL)' 2>/dev/null || fail "nobody listens at $TURTED_URL"
cp "$stories"/{package.json,*.mjs} "$scratch"
cd "$scratch"
npm install --no-audit --no-fund --loglevel=error || fail 'npm install failed: is there a network?'
# The stories mostly wait: all files at once take little longer than the longest, which is less than a minute. When the server is gone
# in the middle, each would wait for itself to the end of its patience.
timeout --kill-after=5 300 \
  node --test --test-concurrency=4 --test-reporter=spec "${files[@]}" ||
  fail 'stories failed, or they took more than 300 s'
case " ${files[*]} " in
  *' bayeux.mjs '*)
    # A client of Python, for which a folder of its own is made as well.
    command -v python3 >/dev/null || fail 'missing: python3'
    python3 -m venv "$scratch/python" || fail 'no venv; on Debian: apt-get install python3-venv'
    "$scratch/python/bin/pip" install --quiet --disable-pip-version-check aiocometd==0.4.5 || fail 'pip install failed: is there a network?'
    timeout --kill-after=5 120 "$scratch/python/bin/python" "$stories/bayeux.py" || fail 'stories of Python failed, or they took more than 120 s'
    ;;
esac
