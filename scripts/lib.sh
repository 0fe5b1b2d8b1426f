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

# apt_install PACKAGE...: through apt when this user may, else the line to type.
apt_install() {
  local as=()
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as=(sudo -n); else
      die "missing system packages. Type this, then run the same command again:
  sudo apt-get install -y --no-install-recommends $*"
    fi
  fi
  command -v apt-get >/dev/null || die "missing: $*. Install them with your distribution's package manager, then run the same command again."
  say "installing $* with apt"
  DEBIAN_FRONTEND=noninteractive "${as[@]}" apt-get install -y -q --no-install-recommends "$@" >"$tools/apt.log" 2>&1 ||
    { DEBIAN_FRONTEND=noninteractive "${as[@]}" apt-get update -q >"$tools/apt.log" 2>&1 &&
      DEBIAN_FRONTEND=noninteractive "${as[@]}" apt-get install -y -q --no-install-recommends "$@" >>"$tools/apt.log" 2>&1; } ||
    { tail -n 20 "$tools/apt.log" >&2; die "apt could not install: $*"; }
}

need() { # need COMMAND HINT
  command -v "$1" >/dev/null || die "$1 was not found: $2"
}
