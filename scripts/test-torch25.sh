#!/usr/bin/env bash
# Runs the tests of the models on the oldest torch of the profiles, 2.5.1, in a venv of its own: with its ROCm wheels on
# an AMD card, else with PyPI's on the processor. It takes 6 to 20 GB and is therefore not a part of `make test`.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
venv="$root/.venv-torch25"
go build -trimpath -o bin/apibr ./cmd/apibr
export APIBR_PYTHON_MODELS_VENV="$venv" APIBR_DATA_DIR="$root/.cache/torch25"
setup() { bin/apibr models setup --quiet --profile "$1"; }

if [ -e /dev/kfd ] && setup rocm-torch25; then :; else setup pypi-torch25; fi
"$uv" pip install -q --python "$venv/bin/python" --no-deps --require-hashes \
  --requirements pyworkers/requirements-models-dev.txt
cd pyworkers && "$venv/bin/python" -m pytest -q tests_models
