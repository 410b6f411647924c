#!/usr/bin/env bash
# Tokens that other libraries make, and a real OpenID provider. What is installed goes to a folder that is gone afterwards.
#   tests/identity/run.sh [BINARY]    BINARY: target/debug/turted by default
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TURTED=$(realpath "${1:-${CARGO_TARGET_DIR:-$root/target}/debug/turted}")
export TURTED
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  printf '\n!!! %s\n' "$*" >&2
  exit 1
}

for tool in node npm java mvn; do
  command -v "$tool" >/dev/null || fail "missing: $tool; on Debian: apt-get install nodejs npm default-jdk-headless maven"
done
# Debian's own Python has what Debian's packages bring.
for PYTHON in /usr/bin/python3 python3; do
  ! "$PYTHON" -c 'import jwt, cryptography' 2>/dev/null || break
done
"$PYTHON" -c 'import jwt, cryptography' 2>/dev/null ||
  fail 'missing: PyJWT; on Debian: apt-get install python3-jwt python3-cryptography'
export PYTHON
cp "$root"/tests/identity/{package.json,pom.xml,*.mjs,*.py,*.java} "$scratch"
cd "$scratch"
npm install --no-audit --no-fund --loglevel=error || fail 'npm install failed: is there a network?'
mvn -q -B dependency:build-classpath -Dmdep.outputFile=classpath || fail 'mvn failed: is there a network?'
CLASSPATH=$(cat classpath)
export CLASSPATH
timeout --kill-after=5 300 node --test --test-concurrency=2 --test-reporter=spec libraries.mjs provider.mjs ||
  fail 'stories failed, or they took more than 300 s'
