#!/usr/bin/env bash
# Every test, linter and drift check. `scripts/test.sh lint` runs the linters only. Stops at the first step that fails.
# The Python tests run in the background of the Go tests; their result comes last.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
"$root/scripts/setup.sh" test
go build -trimpath -o bin/apibr ./cmd/apibr

step() { say "$1"; shift; "$@" || die "this step failed: $*"; }

models() { (cd pyworkers && "$models/bin/python" "$@"); }
python() { (cd pyworkers && "$draft/bin/python" "$@"); }
gofmt_clean() {
  local files
  files=$(gofmt -l cmd internal migrations web/*.go)
  [ -z "$files" ] || { echo "not gofmt'ed: $files" >&2; return 1; }
}

lint() {
  step "gofmt" gofmt_clean
  step "go vet" go vet ./...
  step "staticcheck" go tool staticcheck ./...
  step "ruff" python -m ruff check .
  step "ruff format" python -m ruff format --check .
  step "pyright" web/node_modules/.bin/pyright --project pyworkers --pythonpath "$draft/bin/python"
  step "pyright of the models" web/node_modules/.bin/pyright --project pyworkers/pyright-models.json \
    --pythonpath "$models/bin/python"
  step "scripts" bash scripts/lib_test.sh
  step "weights" python3 scripts/weights_test.py
  step "the check of lines and words" bash scripts/check_text_test.sh
  step "lines and words" python3 scripts/check_text.py
  step "typescript" web/node_modules/.bin/tsc --noEmit --project web
}

drift() {
  local fresh="$root/.cache/generated"
  rm -rf "$fresh" && mkdir -p "$fresh"
  "$root/scripts/generate.sh" "$fresh" && diff -ru internal/apiclient/openapi.json "$fresh/openapi.json" &&
    diff -ru internal/apiclient/client.gen.go "$fresh/client.gen.go" &&
    diff -ru web/src/api.gen.ts "$fresh/api.gen.ts" ||
    { echo "the API document or a client made from it is stale: run make generate and commit" >&2; return 1; }
}

lint
[ "${1:-}" = lint ] && exit 0
step "contract drift" drift
# The Python tests keep one core busy and so do most of Go's: at the same time they take little longer than the longer
# of the two.
log="$root/.cache/python-tests.log"
python_tests() { python -m pytest -q && models -m pytest -q tests_models; }
mkdir -p "$root/.cache"
set -m # a process group of its own, so that all of it can be ended
python_tests >"$log" 2>&1 </dev/null &
background=$!
set +m
trap 'kill -- "-$background" 2>/dev/null || true' EXIT
step "go tests (with the Python tests in the background)" go test -race -timeout 30m ./...
step "browser tests" node web/e2e/run.mjs
say "python tests"
wait "$background" && passed=true || passed=false
trap - EXIT
cat "$log"
$passed || die "this step failed: python tests"
say "everything passed"
