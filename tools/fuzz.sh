#!/usr/bin/env bash
# Runs every fuzz target of the product for FUZZTIME each.
set -euo pipefail
GO=${GO:-go}

# fuzz runs one target. The go command sometimes ends at its time limit with "context deadline exceeded" and no failing input
# (https://github.com/golang/go/issues/75804, mended in Go 1.27): that says nothing of the target, so it is tried again.
fuzz() {
  local out
  for _ in 1 2 3; do
    if out=$($GO test -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZTIME:-5s}" -fuzzminimizetime 5x "$1" 2>&1); then
      tail -n 1 <<<"$out"
      return 0
    fi
    if grep -q 'Failing input' <<<"$out" || ! grep -q 'context deadline exceeded' <<<"$out"; then
      break
    fi
  done
  echo "$out"
  return 1
}

found=0
for pkg in $($GO list ./...); do
  dir=$($GO list -f '{{.Dir}}' "$pkg")
  grep -qsE '^func Fuzz' "$dir"/*_test.go || continue
  for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]*' "$dir"/*_test.go | sed 's/^func //'); do
    found=$((found + 1))
    echo "== $pkg $target"
    fuzz "$pkg" "$target"
  done
done
[ "$found" -gt 0 ] || { echo "no fuzz target found: fuzz.sh looks at the wrong place" >&2; exit 1; }
echo "$found fuzz targets"
