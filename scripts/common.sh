# Shared by the scripts in this folder, which source it after `set -euo pipefail`. Expects them to have set `name`.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
# The eBPF target needs `core` built from source, which stable compilers do only when told so.
export RUSTC_BOOTSTRAP=1

# Where cargo puts what it builds, for those who share one folder between projects.
# shellcheck disable=SC2034 # read by the scripts that source this
built="${CARGO_TARGET_DIR:-target}/release"

say() {
  printf '%s: %s\n' "${name:?}" "$*" >&2
}

fail() {
  say "$*"
  exit 1
}

has() {
  command -v "$1" >/dev/null 2>&1
}

# Prints the Debian packages among the arguments that are not installed.
missing_packages() {
  local installed package
  installed=" $(dpkg-query -W -f '${Package}=${db:Status-Status} ' "$@" 2>/dev/null || true)"
  for package in "$@"; do
    [[ $installed == *" $package=installed "* ]] || printf '%s\n' "$package"
  done
}

# Installs those packages that are missing. Asks the network only if there are any.
need_packages() {
  has dpkg-query || fail "this is not a Debian or Ubuntu system: install what corresponds to these packages by hand: $*"
  local -a missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  local command="apt-get install -y ${missing[*]}"
  ((EUID == 0)) || fail "Debian packages are missing and only root can install them: run 'sudo $command', then this again"
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >&2 || fail "apt-get update failed: see above, then run this again"
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
    fail "apt could not install packages: run '$command' to see why (on a release that lacks them, add one that has them)"
}

# Runs a build and leaves out the lines that cargo, and the cargo inside a build script, print when nothing was to be done.
build() {
  "$@" 2>&1 | sed -u -E '/^(warning: [^ ]+: )? *Finished .* target\(s\) in /d' >&2
}

# Whether package.json has a script of that name.
has_npm_script() {
  node -e 'process.exit(require("./package.json").scripts?.[process.argv[1]] ? 0 : 1)' "$1"
}
