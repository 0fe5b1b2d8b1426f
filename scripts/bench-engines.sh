#!/usr/bin/env bash
# Measures what the image engines cost: tables on the screen, the same as JSON in .cache/bench-engines.json.
# Arguments go to the program, as in `scripts/bench-engines.sh ram --model flux --phase transformer`; without any, all
# of it is measured, which takes half an hour on two cores. The full-size files (24 GB) are written below .cache and
# removed at the end; --keep leaves them, --work names another folder.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
[ -x "$models/bin/python" ] || "$root/scripts/setup.sh" test
mkdir -p "$root/.cache"
cd pyworkers
[ $# -gt 0 ] || set -- all
exec nice "$models/bin/python" -m benchmarks.engines --work "$root/.cache" --json "$root/.cache/bench-engines.json" "$@"
