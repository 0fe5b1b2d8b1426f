#!/usr/bin/env bash
# Measures what the studio itself costs, prints it and writes docs/performance.md.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
go test -run '^$' -bench BenchmarkStudio -benchtime 1x -timeout 30m ./internal/e2e -report "$root/docs/performance.md"
