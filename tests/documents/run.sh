#!/usr/bin/env bash
# Every block of docs/identity.md, docs/permissions.md and docs/backends, run: in turted, in a shell, in PHP, in nginx, and in each
# framework. (Those of docs/api.md: tests/integration/api.rs.) What is installed goes to a folder that is gone afterwards; jars
# stay where Maven keeps them.
#   tests/documents/run.sh [BINARY]    BINARY: target/debug/turted by default
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TURTED=$(realpath "${1:-${CARGO_TARGET_DIR:-$ROOT/target}/debug/turted}")
# Debian has nginx where only root looks.
PATH=$(dirname "$TURTED"):$PATH:/usr/sbin
export ROOT TURTED PATH
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  printf '\n!!! %s\n' "$*" >&2
  exit 1
}

for tool in node npm php javac java mvn nginx curl openssl; do
  command -v "$tool" >/dev/null || fail "missing: $tool; tests/run.sh --install installs it"
done
for library in Illuminate/autoload.php Symfony/Bundle/FrameworkBundle/autoload.php Symfony/Bundle/SecurityBundle/autoload.php \
  Symfony/Component/Yaml/autoload.php GuzzleHttp/autoload.php; do
  [ -e "/usr/share/php/$library" ] || fail "missing: /usr/share/php/$library; tests/run.sh --install installs it"
done

cp -R "$ROOT/tests/documents/." "$scratch"
cd "$scratch"
# Three registries do not wait for each other.
npm install --no-audit --no-fund --loglevel=error >npm.log 2>&1 &
npm=$!
# Debian's own Python, since it is the one that apt gives venv.
(/usr/bin/python3 -m venv python && python/bin/pip install -q --disable-pip-version-check -r requirements.txt) >pip.log 2>&1 &
pip=$!
mvn -q -B -f stage/spring/pom.xml dependency:build-classpath -Dmdep.outputFile="$scratch/classpath" >mvn.log 2>&1 &
mvn=$!
wait "$npm" || { cat npm.log; fail 'npm install failed: is there a network?'; }
wait "$pip" || { cat pip.log; fail 'pip install failed: is there a network?'; }
wait "$mvn" || { cat mvn.log; fail 'mvn failed: is there a network?'; }
PYTHON=$scratch/python/bin/python CLASSPATH=$(cat classpath)
export PYTHON CLASSPATH
timeout --kill-after=5 300 node --test --test-concurrency=2 --test-reporter=spec documents.mjs backends.mjs ||
  fail 'stories failed, or they took more than 300 s'
