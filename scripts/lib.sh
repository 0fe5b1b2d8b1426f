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
  local what=$1 log="$tools/attempt.log"
  shift
  mkdir -p "$tools"
  "$@" >"$log" 2>&1 && return
  tail -n 20 "$log" >&2
  if unreachable "$log"; then
    die "$what could not be installed: the package index was not reached. Check the network, then run the same" \
      "command again"
  fi
  die "$what could not be installed; the reason stands above"
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
