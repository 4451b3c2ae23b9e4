#!/usr/bin/env bash
# Tries the page of a run in a real Chromium. Without one it says so and, unless told "required", is no failure: the machine
# of a check may be offline.
set -euo pipefail
cd "$(dirname "$0")/../internal/report/browser"
browser=
for name in chromium chromium-browser google-chrome headless-shell; do
  if command -v "$name" >/dev/null; then browser=$name; break; fi
done
if [ -z "$browser" ]; then
  echo '*** page: NOT CHECKED: no Chromium in the PATH, so the page was not tried in a browser (Debian: apt-get install chromium) ***'
  [ "${1:-}" != required ]
  exit
fi
if ! npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; then
  echo '*** page: axe-core could not be fetched: accessibility is NOT CHECKED ***'
  [ "${1:-}" != required ]
fi
go=${GO:-go}
export PAGE_BROWSER=${1:-}
$go test -count=1 -v . | { grep -vE '^=== |^ +--- PASS' || true; }
