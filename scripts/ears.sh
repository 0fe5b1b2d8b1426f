#!/usr/bin/env bash
# Lets a listener judge the voices: prints tables and writes them into docs/performance-speech.md. Arguments go to the
# program, as in `scripts/ears.sh words --voice pf_dora`; without any, all of it is measured, which takes an hour on two
# quiet cores. What was heard is kept in .cache/ears, so that a run that was stopped goes on.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
[ -x "$models/bin/python" ] && [ -d "$root/.weights/whisper-base" ] || "$root/scripts/setup.sh" test
pins="$root/pyworkers/requirements-ears.txt"
library="$root/.cache/ears/library"
if ! fresh ears "$pins" || [ ! -d "$library" ]; then
  say "installing what compares voices"
  rm -rf "$library"
  attempt "what compares voices" "$uv" pip install -q --python "$models/bin/python" --no-deps --require-hashes \
    --target "$library" --requirements="$pins"
  stamp ears "$pins"
fi
cd pyworkers
exec "$draft/bin/python" -m benchmarks.ears "$@"
