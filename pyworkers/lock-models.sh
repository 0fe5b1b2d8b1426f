#!/usr/bin/env bash
# Makes the lock files of the models venv anew (needs the network); with a name only that set:
#   main     requirements-models.in  -> ../requirements.txt and requirements-torch-pypi.txt
#   torch25  requirements-torch25.in -> requirements-torch25.txt and requirements-torch25-pypi.txt
#   ears     what compares voices in `make ears` -> requirements-ears.txt; installed with --no-deps, apart
#   nodeps   wheels whose own pins conflict with diffusers -> requirements-models-nodeps.txt; installed with --no-deps
# The first file of a pair leaves out torch, whose index depends on the device, and the packages that only PyPI's torch
# needs. The second file holds the rest of the same resolution: torch, torchaudio and torchvision of PyPI with their
# CUDA libraries.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
uv=${UV:-../.tools/uv/bin/uv}
compile() { "$uv" pip compile -q --universal --generate-hashes --python-version 3.11 --no-header "$@"; }
all=$(mktemp)
trap 'rm -f "$all"' EXIT

# lock SOURCE REST TORCH
lock() {
  local device
  compile -o "$all" "$1"
  mapfile -t device < <(
    grep -oE '^(torch|torchaudio|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==' "$all" | tr -d =
  )
  {
    echo "# The models venv without torch. Made by pyworkers/lock-models.sh; torch comes from the device's own index."
    compile "${device[@]/#/--no-emit-package=}" "$1"
  } > "$2"
  {
    echo "# torch, torchaudio and torchvision of PyPI with what only they need. Made by lock-models.sh."
    awk -v wanted="${device[*]}" 'BEGIN { n = split(wanted, names, " "); for (i = 1; i <= n; i++) keep[names[i]] = 1 }
      /^[a-z]/ { split($1, part, "=="); on = part[1] in keep } on && !/^ *#/' "$all"
  } > "$3"
}

for set in "${@:-main torch25 ears nodeps}"; do
  for name in $set; do
    case $name in
      main) lock requirements-models.in ../requirements.txt requirements-torch-pypi.txt ;;
      torch25) lock requirements-torch25.in requirements-torch25.txt requirements-torch25-pypi.txt ;;
      nodeps)
        {
          echo "# Installed with --no-deps. Made by lock-models.sh."
          printf 'chatterbox-tts==0.1.7\ns3tokenizer==0.3.0\n' | compile --no-deps -
        } > requirements-models-nodeps.txt ;;
      ears)
        {
          echo "# For make ears, installed with --no-deps beside the models venv. Made by lock-models.sh."
          # webrtcvad-wheels is webrtcvad, built; Resemblyzer asks for webrtcvad, which needs a compiler.
          printf 'resemblyzer==0.1.4\nwebrtcvad-wheels==2.0.14.post1\n' | compile --no-deps -
        } > requirements-ears.txt ;;
      *) echo "lock-models.sh: no set $name (main, torch25, ears, nodeps)" >&2; exit 2 ;;
    esac
  done
done
