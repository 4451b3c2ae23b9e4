#!/usr/bin/env bash
# Builds ingest from two folders, the second time with an empty build cache, and compares the bytes: whoever has the source and
# the Go release can check that a binary was made from it. (blocker holds DuckDB, so its bytes also depend on the C++ linker.)
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for n in 1 2; do
  mkdir -p "$work/$n/source"
  cp -r go.mod go.sum cmd internal deploy "$work/$n/source/"
done
build() { (cd "$work/$1/source" && CGO_ENABLED=0 $GO build -trimpath -buildvcs=false -ldflags '-s -w' -o "$work/$1/ingest" ./cmd/ingest); }
build 1
GOCACHE=$work/cache build 2
first=$(sha256sum <"$work/1/ingest") second=$(sha256sum <"$work/2/ingest")
if [ "$first" != "$second" ]; then
  echo "ingest built twice differs: ${first%% *} and ${second%% *}" >&2
  exit 1
fi
echo "ingest built twice, byte by byte the same: ${first%% *}"
