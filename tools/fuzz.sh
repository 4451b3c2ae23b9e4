#!/usr/bin/env bash
# Runs every fuzz target of the product for FUZZTIME each.
set -euo pipefail
GO=${GO:-go}
found=0
for pkg in $($GO list ./...); do
  dir=$($GO list -f '{{.Dir}}' "$pkg")
  grep -qsE '^func Fuzz' "$dir"/*_test.go || continue
  for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed 's/^func //'); do
    found=$((found + 1))
    echo "== $pkg $target"
    $GO test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-5s}" -fuzzminimizetime 5x "$pkg"
  done
done
[ "$found" -gt 0 ] || { echo "no fuzz target found: fuzz.sh looks at the wrong place" >&2; exit 1; }
echo "$found fuzz targets"
