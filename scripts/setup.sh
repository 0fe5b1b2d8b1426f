#!/usr/bin/env bash
# Makes a fresh checkout able to build and run the studio: pinned uv, the draft venv, Postgres binaries where the
# system has none, the web page, and the models that come with the studio. With "test" also what only the tests need.
# Each step is skipped when nothing changed, so that a second run takes a moment and needs no network.
#
# APIBR_WITHOUT_LISTENER=1 leaves out the model that listens (134 MB of download); the tests need it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
mkdir -p "$tools"

have_system_postgres() {
  command -v postgres >/dev/null && command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}

toolchain() {
  need go "install Go 1.26 or newer (https://go.dev/dl)"
  need node "install Node.js 20 or newer (https://nodejs.org)"
  need npm "install npm, which comes with Node.js"
  need python3 "install Python 3.11 or newer"
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "Python $(python3 -V | cut -d' ' -f2) is too old: install 3.11 or newer"
}

install_uv() {
  local pins="$root/scripts/requirements-uv.txt"
  [ -x "$uv" ] && fresh uv "$pins" && return
  python3 -m pip --version >/dev/null 2>&1 || apt_install python3-pip
  say "installing uv"
  rm -rf "$tools/uv"
  attempt uv python3 -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps \
    --require-hashes --target "$tools/uv" -r "$pins"
  stamp uv "$pins"
}

# venv_install VENV STAMP REQUIREMENTS...: every file is pinned by hash and names all that is needed; compiled now, so
# that the first job does not pay for it.
venv_install() {
  local venv=$1 name=$2
  shift 2
  [ -x "$venv/bin/python" ] && fresh "$name" "$@" && return
  [ -x "$venv/bin/python" ] || "$uv" venv -q --python "$(command -v python3)" --no-python-downloads "$venv"
  say "installing $(basename "$1") into $(basename "$venv")"
  attempt "$(basename "$venv")" "$uv" pip install -q --python "$venv/bin/python" --compile-bytecode --no-deps \
    --require-hashes "${@/#/--requirements=}"
  stamp "$name" "$@"
}

web() {
  local lock="$root/web/package-lock.json" sources
  if ! fresh npm "$lock" || [ ! -d "$root/web/node_modules" ]; then
    say "installing the web page's build tools"
    attempt "the web page's build tools" npm ci --prefix "$root/web" --no-audit --no-fund --loglevel=error
    stamp npm "$lock"
  fi
  mapfile -t sources < <(find "$root/web/src" "$root/web/build.mjs" -type f | sort)
  if ! fresh web "${sources[@]}" || [ ! -f "$root/web/dist/index.html" ]; then
    say "building the web page"
    (cd "$root/web" && node build.mjs)
    stamp web "${sources[@]}"
  fi
}

for_tests() {
  command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
    apt_install chromium
  command -v cc >/dev/null || apt_install gcc libc6-dev # the race detector needs cgo
  venv_install "$draft" dev "$root/pyworkers/requirements-dev.txt"
  models_venv
}

# Sidecars may not write beside their code, so it is compiled here; without this each start costs a second more.
compile_workers() {
  local sources
  mapfile -t sources < <(find "$root/pyworkers/apibr_worker" -name '*.py' | sort)
  fresh workers "${sources[@]}" && return
  "$draft/bin/python" -m compileall -q "$root/pyworkers/apibr_worker"
  stamp workers "${sources[@]}"
}

# The engines of final quality are tested on tiny checkpoints, which need the real libraries: torch of PyPI runs on any
# CPU.
models_venv() {
  local pins="$root/pyworkers/requirements"
  venv_install "$models" models "$root/requirements.txt" "$pins-torch-pypi.txt" "$pins-models-nodeps.txt" \
    "$pins-models-dev.txt"
}

# weights: what lacks is fetched in the background, since that waits for the network and the other steps for the
# processor. Prints nothing when all is there.
weights() {
  local model lacking
  local wanted=(kokoro)
  if [ "${1:-}" = test ] || [ -z "${APIBR_WITHOUT_LISTENER:-}" ]; then wanted+=(whisper-base); fi
  # What a killed run has left; another run may be fetching now.
  [ ! -d "$root/.weights" ] ||
    find "$root/.weights/" -maxdepth 1 -name '.fetch-*' -mmin +60 -exec rm -rf {} +
  lacking=$(python3 "$root/scripts/weights.py" lacking "${wanted[@]}") || die "the weights could not be checked"
  set -m # a process group of each, so that all of it can be ended
  for model in $lacking; do
    say "fetching the model $model"
    lay_weights "$model" </dev/null &
    fetching+=($!)
  done
  set +m
}

await_weights() {
  local process
  for process in "${fetching[@]}"; do wait "$process" || exit 1; done
  fetching=()
}

# compile: the program in the background, before its page is there: what follows compiles one package again. On a fresh
# machine this takes a minute of both cores, and the other steps wait for the network for as long.
compile() {
  [ ! -f "$root/web/dist/index.html" ] || return 0
  say "compiling the program"
  set -m
  (cd "$root" && go build -trimpath -o /dev/null ./cmd/apibr >/dev/null 2>&1 </dev/null) &
  compiling=$!
  set +m
}

fetching=()
compiling=
trap 'for process in "${fetching[@]}" $compiling; do kill -- "-$process" 2>/dev/null || true; done' EXIT

toolchain
compile
install_uv
weights "${1:-}"
venv_install "$draft" draft "$root/pyworkers/requirements-draft.txt"
compile_workers
have_system_postgres || venv_install "$draft" postgres "$root/scripts/requirements-postgres.txt"
web
if [ "${1:-}" = test ]; then for_tests; fi
await_weights
[ -z "$compiling" ] || wait "$compiling" || true # what is wrong with the program is told by its own build
compiling=
