# Building for other processors and C libraries, with zig as linker: sourced after common.sh by the scripts that do.
# shellcheck shell=bash

# What is built depends on both.
zigbuild_version=0.24.0
zig_version=0.15.2
zig_folder=${KDELAY_ZIG_CACHE:-$HOME/.cache/kdelay-zig}/$zigbuild_version-$zig_version

# The platforms, as npm calls them.
platforms=(x64-gnu arm64-gnu x64-musl arm64-musl)

# As compilers call such a platform.
triple() {
  case $1 in
    x64-gnu | x64-musl) printf 'x86_64-unknown-linux-%s\n' "${1#*-}" ;;
    arm64-gnu | arm64-musl) printf 'aarch64-unknown-linux-%s\n' "${1#*-}" ;;
    *) fail "no platform $1: there are ${platforms[*]}" ;;
  esac
}

# Installs cargo-zigbuild and zig: Python packages, which need nothing of this machine's for what they build.
need_zig() {
  if [[ ! -e $zig_folder/complete ]]; then
    need_packages python3-venv
    say "installing cargo-zigbuild $zigbuild_version and zig $zig_version in $zig_folder"
    rm -rf "$zig_folder"
    /usr/bin/python3 -m venv "$zig_folder" || fail "no Python environment could be made in $zig_folder: see the message above"
    "$zig_folder/bin/pip" install --quiet "cargo-zigbuild==$zigbuild_version" "ziglang==$zig_version" >&2 ||
      fail "pip could not install zig: see its message above, mend that and run this again"
    : >"$zig_folder/complete"
  fi
  CARGO_ZIGBUILD_ZIG_PATH=$(echo "$zig_folder"/lib/python3*/site-packages/ziglang/zig)
  export CARGO_ZIGBUILD_ZIG_PATH
}

# cross PLATFORM COMMAND ARG…: a command of cargo's, for that platform. Debian's compiler brings the sources of std, which is
# built along, as rustup's for other platforms may not be there. Of glibc no more is used than 2.17 had.
cross() {
  local target
  target=$(triple "$1")
  local command=$2
  shift 2
  [[ $target != *-gnu ]] || target+=.2.17
  RUSTUP_TOOLCHAIN=debian "$zig_folder/bin/cargo-zigbuild" "$command" --locked -Z build-std=std,panic_abort --target "$target" "$@"
}
