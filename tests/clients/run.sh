#!/usr/bin/env bash
# The push clients and the npm package, with real PHP, a real JDK and real Node.js against running servers. Whatever is built or
# installed goes to a folder that is gone afterwards.
#   tests/clients/run.sh URL [BINARY]    URL: a server that takes every push (the default configuration, on loopback)
#                                        BINARY: for servers with locks and certificates; target/debug/turted by default
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
stories=$root/tests/clients
export TURTED_URL=${1:?usage: tests/clients/run.sh URL [BINARY]}
binary=$(realpath "${2:-${CARGO_TARGET_DIR:-$root/target}/debug/turted}")
scratch=$(mktemp -d)
children=()

finish() {
  local status=$? child
  for child in "${children[@]}"; do
    kill -TERM "$child" 2>/dev/null || true
    wait "$child" 2>/dev/null || true
  done
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

say() { printf '\n--- %s ---\n' "$*"; }

# until_said FILE PATTERN CHILD: prints the first match, once the child has said it.
until_said() {
  local found
  for _ in $(seq 200); do
    if found=$(grep -oEm1 "$2" "$1"); then
      printf '%s\n' "$found"
      return 0
    fi
    kill -0 "$3" 2>/dev/null || break
    sleep 0.05
  done
  cat "$1" >&2
  fail "$1 never said $2"
}

# serve NAME: starts a server with the configuration on standard input; its URL goes into the variable of that name.
serve() {
  local name=$1 config=$scratch/$1.toml log=$scratch/$1.log url
  cat >"$config"
  "$binary" serve --config "$config" >"$log" 2>&1 </dev/null &
  children+=($!)
  url=$(until_said "$log" 'https?://[^ ]+:[1-9][0-9]*' "$!")
  export "$name=${url/https:\/\/127.0.0.1/https:\/\/localhost}"
}

for tool in php composer javac java node npm openssl; do
  command -v "$tool" >/dev/null || fail "missing: $tool; on Debian: apt-get install php-cli composer default-jdk-headless nodejs npm openssl"
done
[ -x "$binary" ] || fail "no server at $binary; cargo build makes it"

say 'the stage'
serve GUARDED <<'TOML'
[server]
listen = "127.0.0.1:0"
[auth.backends]
type = "password"
password = "correct horse battery staple"
TOML
serve GUARDED_TOKEN <<'TOML'
[server]
listen = "127.0.0.1:0"
[auth.backends]
type = "token"
hash = "hmac-sha256"
secret = "a secret of this test alone"
TOML
TOKEN=$("$binary" token --backends shop --config "$scratch/GUARDED_TOKEN.toml")
export TOKEN=${TOKEN#shop:}
export CERTIFICATE=$scratch/certificate.pem
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -keyout "$scratch/key.pem" -out "$CERTIFICATE" 2>/dev/null
serve SECURE <<TOML
[server]
listen = "127.0.0.1:0"
[tls]
cert = "$CERTIFICATE"
key = "$scratch/key.pem"
TOML

mkdir "$scratch/npm"
cp "$stories"/{package.json,stage.mjs,npm.mjs,consumer.mts,consumer.cts} "$scratch/npm"
cd "$scratch/npm"
npm install --no-audit --no-fund --loglevel=error || fail 'npm install failed: is there a network?'
mkfifo "$scratch/curtain" # the stage ends when its input does
node stage.mjs >"$scratch/stage" <"$scratch/curtain" &
children+=($!)
exec 9>"$scratch/curtain"
until_said "$scratch/stage" '^ready' "$!" >/dev/null
while IFS= read -r line; do
  export "${line?}"
done < <(grep = "$scratch/stage")

say 'PHP'
# -n: no php.ini and so none of the extensions that are files of their own.
php -n -d memory_limit=1G -d error_reporting=-1 "$stories/stories.php"
php -n -d allow_url_fopen=0 -r "require '$root/clients/php/src/Client.php'; (new Turted\Client('$TURTED_URL'))->notifyUser('adam', 'E', 1);"
say 'the Composer package, and the examples of its README'
mkdir "$scratch/php"
cd "$scratch/php"
printf '{"repositories":[{"type":"path","url":"%s","options":{"symlink":false}},{"packagist.org":false}],"require":{"turted/client":"*@dev"}}' \
  "$root/clients/php" >composer.json
COMPOSER_ALLOW_SUPERUSER=1 composer install --no-interaction --quiet
while IFS= read -r example; do
  php -d display_errors=stderr -d error_reporting=-1 "$example" >"$scratch/printed" 2>"$scratch/complained" </dev/null ||
    { cat "$scratch/complained"; fail "$example of clients/php/README.md"; }
  [ ! -s "$scratch/complained" ] || { cat "$scratch/complained"; fail "$example of clients/php/README.md complains"; }
done < <(node "$stories/examples.mjs" "$root/clients/php/README.md" php . "$TURTED_URL")

say 'Java'
mkdir "$scratch/java"
cd "$scratch/java"
javac --release 11 -encoding UTF-8 -Xlint:all -Werror -d classes "$root"/clients/java/src/main/java/org/turted/*.java "$stories/Stories.java"
java -cp classes -Dfile.encoding=ISO-8859-1 Stories
say 'the examples of its README'
node "$stories/examples.mjs" "$root/clients/java/README.md" java . "$TURTED_URL" >examples
javac --release 11 -encoding UTF-8 -cp classes -d classes Example*.java
while IFS= read -r example; do
  java -cp classes "${example%.java}" >/dev/null </dev/null || fail "$example of clients/java/README.md"
done <examples

say 'npm'
cp -R "$root/static" "$scratch/static" # npm pack writes beside what it packs
cd "$scratch/static"
package=$(npm pack --loglevel=error --pack-destination "$scratch")
cd "$scratch/npm"
npm install --no-audit --no-fund --loglevel=error "$scratch/$package"
node "$stories/examples.mjs" node_modules/turted/README.md js . "$TURTED_URL" >/dev/null
echo "import { WebSocket } from 'ws'; globalThis.WebSocket ??= WebSocket;" >websocket.mjs
node --test npm.mjs
say 'its types'
npx tsc --noEmit --strict --module nodenext --target es2022 --lib es2022 --types node consumer.mts consumer.cts
npx tsc --noEmit --strict --module nodenext --target es2022 --lib es2022,dom consumer.cts
npx tsc --noEmit --strict --module esnext --moduleResolution bundler --target es2022 --types node consumer.mts

say 'the clients keep their promises'
