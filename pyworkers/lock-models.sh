#!/usr/bin/env bash
# Makes the lock files of the models venv anew from requirements-models.in (needs the network):
#   ../requirements.txt            everything but torch, whose index depends on the device, and what only PyPI's torch pulls in
#   requirements-torch-pypi.txt    the rest of the same resolution: torch, torchaudio, torchvision of PyPI with their CUDA libraries
#   requirements-models-nodeps.txt wheels whose own pins cannot be resolved beside diffusers; installed with --no-deps
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
uv=${UV:-../.tools/uv/bin/uv}
compile() { "$uv" pip compile -q --universal --generate-hashes --python-version 3.11 --no-header "$@"; }

all=$(mktemp)
trap 'rm -f "$all"' EXIT
compile -o "$all" requirements-models.in
mapfile -t device < <(grep -oE '^(torch|torchaudio|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==' "$all" | tr -d =)
{
  echo "# The models venv without torch. Made by pyworkers/lock-models.sh; torch comes from the device's own index."
  compile "${device[@]/#/--no-emit-package=}" requirements-models.in
} > ../requirements.txt
{
  echo "# torch, torchaudio and torchvision of PyPI with what only they need. Made by lock-models.sh."
  awk -v wanted="${device[*]}" 'BEGIN { n = split(wanted, names, " "); for (i = 1; i <= n; i++) keep[names[i]] = 1 }
    /^[a-z]/ { split($1, part, "=="); on = part[1] in keep } on && !/^ *#/' "$all"
} > requirements-torch-pypi.txt
{
  echo "# Installed with --no-deps. Made by lock-models.sh."
  printf 'chatterbox-tts==0.1.7\ns3tokenizer==0.3.0\n' | compile --no-deps -
} > requirements-models-nodeps.txt
