#!/usr/bin/env bash
# Tests of lib.sh: a step that fails says why, and blames the network only for what the network did.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
failures=0

expect() { # expect NAME WANTED UNWANTED COMMAND...
  local name=$1 wanted=$2 unwanted=$3 said
  shift 3
  if said=$( (attempt it "$@") 2>&1 ); then echo "$name: did not fail" >&2; failures=$((failures + 1)); return; fi
  [[ $said == *"$wanted"* && $said != *"$unwanted"* ]] ||
    { printf '%s: said\n%s\n' "$name" "$said" >&2; failures=$((failures + 1)); }
}
says() { echo "$1" >&2; return 1; }

expect "a wrong hash" "THESE PACKAGES DO NOT MATCH THE HASHES" "network" \
  says "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"
expect "a full disk" "No space left on device" "network" says "OSError: [Errno 28] No space left on device"
expect "a missing module" "No module named pip" "network" says "python3: No module named pip"
expect "no name server" "Check the network" "stands above" \
  says "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution"
expect "uv offline" "Check the network" "stands above" \
  says "error: Failed to fetch: error sending request for url: dns error"
expect "npm offline" "Check the network" "stands above" says "npm error code ENOTFOUND"
(attempt it true) || { echo "a step that works failed" >&2; failures=$((failures + 1)); }
exit $((failures > 0))
