#!/usr/bin/env bash
# The tests of the models on the other end of the ladder of torch releases: the last profile's torch 2.5.1, in a venv of its own. With an
# AMD card its ROCm wheels, else PyPI's on the processor. Heavy (6 to 20 GB), so no part of `make test`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
venv="$root/.venv-torch25"
go build -trimpath -o bin/apibr ./cmd/apibr
setup() { APIBR_PYTHON_MODELS_VENV="$venv" APIBR_DATA_DIR="$root/.cache/torch25" bin/apibr models setup --quiet --profile "$1"; }

if [ -e /dev/kfd ] && setup rocm-torch25; then :; else setup pypi-torch25; fi
"$uv" pip install -q --python "$venv/bin/python" --no-deps --require-hashes --requirements pyworkers/requirements-models-dev.txt
cd pyworkers && "$venv/bin/python" -m pytest -q tests_models
