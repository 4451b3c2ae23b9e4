#!/usr/bin/env bash
# Runs govulncheck where its database can be reached; says so where it cannot, since that is no finding.
set -u
out=$(go tool -modfile=tools/go.mod govulncheck ./... 2>&1)
code=$?
if [ $code -ne 0 ] && grep -qE 'fetching vulnerabilities|dial tcp|no such host|connect: |Forbidden|proxyconnect|i/o timeout' <<<"$out"; then
  echo "govulncheck: the vulnerability database cannot be reached from here; not checked"
  exit 0
fi
echo "$out"
exit $code
