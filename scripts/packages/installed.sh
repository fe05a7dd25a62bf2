# What must be so where kdelay is installed: sourced by scripts/test-packages, whose functions and variables these use.
# shellcheck shell=bash
# shellcheck disable=SC2154 # those of test-packages

# clean_root FOLDER: the root file system there, but what is written to it goes to memory. Prints where that is.
clean_root() {
  local layer
  layer=$(mktemp -d "$work/root.XXXXXX")
  mkdir "$layer"/{upper,work,root}
  mount -t overlay -o "lowerdir=$1,upperdir=$layer/upper,workdir=$layer/work" overlay "$layer/root" || fail "$1 could not be mounted"
  printf '%s\n' "$layer/root"
}

# inside ROOT COMMAND ARG…: as a user's shell would run it there, with /tmp shared, and on this machine's kernel.
inside() {
  local root=$1
  shift
  # shellcheck disable=SC2016 # the inner shell's variables
  unshare --mount --propagation private bash -c '
    root=$0 shared=$1 registry=$2
    shift 2
    mount -t proc proc "$root/proc" && mount --rbind /sys "$root/sys" && mount --rbind /dev "$root/dev" && mount --bind "$shared" "$root/tmp" &&
      exec env --ignore-environment HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin npm_config_registry="$registry" \
        "$(command -v chroot)" "$root" "$@"' "$root" "$shared" "$registry" "$@"
}

# Everything there, but for what npm keeps for itself: kinds, permissions, owners, links, contents.
listing() {
  (
    cd "$1" || exit
    find . -path ./root/.npm -prune -o -printf '%p %y %m %U:%G %l\n'
    find . -path ./root/.npm -prune -o -type f -print0 | xargs -0 sha256sum
  ) | sort
}

no_tools() {
  local found
  found=$(find "$1"/{bin,usr/bin,usr/local/bin} -regex '.*/\(.*gcc.*\|cc\|c\+\+\|g\+\+\|clang.*\|make\|python.*\|rustc\|cargo\)')
  found+=$(find "$1/usr/include" "$1/usr/local/include" -type f 2>/dev/null || true)
  printf '%s\n' "$found"
  [[ ! $found ]]
}

# says WORDS COMMAND…: that a command's output is that.
says() {
  local words=$1 said
  shift
  said=$("$@")
  printf '%s\n' "$said"
  [[ $said == "$words" ]]
}

# exact_counts: of the capture that has just been made.
exact_counts() {
  head -c 3000 "$shared/said" "$shared/report.json"
  jq --exit-status --slurpfile said "$shared/said" --from-file scripts/in-guest/counts.jq "$shared/report.json" >/dev/null
}

activities_add_up() {
  jq --exit-status '[.samples[].threads[].budget | .wallNs == ([to_entries[] | select(.key != "wallNs").value] | add)] | all and length > 1' \
    "$shared/report.json"
}

# test_capture WHERE COMMAND…: where that command runs installed-capture.
test_capture() {
  local where=$1
  shift
  rm -f "$shared"/{report.json,said}
  expect "$where: a capture" "$@"
  expect "$where: each of ten calls is counted exactly, $(jq 'select(.truth).threads[] | select(.name == "worker").syscalls | add' "$shared/said" 2>/dev/null) in all" exact_counts
  expect "$where: activities add up" activities_add_up
}

# installs WHERE ROOT PLATFORM: by name, with nothing but the two packages.
installs() {
  local said
  said=$(inside "$1" npm install -g kdelay 2>&1)
  printf '%s\n' "$said"
  [[ $said == *'added 2 packages'* && $said != *[Ww][Aa][Rr][Nn]* ]] && [[ -d $1/usr/local/lib/node_modules/kdelay/node_modules/@kdelay/native-linux-$2 ]]
}

# test_in_root NAME PLATFORM [KERNEL]
test_in_root() {
  local where="$1 ($2)" platform=$2 kernel=${3-} base root begun
  base=$(root_of "$1")
  root=$(clean_root "$base")
  listing "$root" >"$work/before"
  expect "$where: has no compiler, no Python, no headers" no_tools "$root"
  begun=$EPOCHREALTIME
  expect "$where: npm install -g kdelay adds two packages, and warns of nothing" installs "$root" "$platform"
  measured "$where: installed in $(since "$begun") s; downloads $(($(stat -c %s "$(archive_of "$platform")") + $(stat -c %s "$(archive_of kdelay)"))) bytes," \
    "$(du -sb "$root/usr/local/lib/node_modules/kdelay" | cut -f 1) on disk"
  expect "$where: kdelay --version" says "$version" inside "$root" kdelay --version
  expect "$where: kdelay doctor" inside "$root" kdelay doctor
  test_capture "$where, Linux $(uname -r)" inside "$root" sh /tmp/installed-capture /tmp
  measured "$where: $(inside "$root" node /tmp/start-times.mjs /tmp 25)"
  if [[ $kernel && ! $fast ]]; then
    test_capture "$where, Linux $kernel" in_guest "$root" "$kernel"
  fi
  expect "$where: npm uninstall -g kdelay" inside "$root" npm uninstall -g kdelay
  listing "$root" >"$work/after"
  expect "$where: every file is as before, but for npm's cache and logs in /root/.npm" diff "$work/before" "$work/after"
  umount "$root"
}

# in_guest ROOT KERNEL [OPTION…]: there, the folder that is shared has the name that it has here.
in_guest() {
  local root=$1 kernel=$2
  shift 2
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    bash scripts/in-kernel "$@" -r "$root" -w "$shared" "$kernel" -- sh "$shared/installed-capture" "$shared"
}

# Without the package of its platform it says what is missing, and what it says helps.
refuses() {
  local said status=0
  said=$(inside "$1" kdelay capture -p 1 2>&1) || status=$?
  printf '%s\nexit code %s\n' "$said" "$status"
  [[ $status == 69 && $said == *"npm install @kdelay/native-linux-$2@$version"* ]]
}

test_left_out() {
  local where="$1, without $2" package="@kdelay/native-linux-$2" base root modules
  base=$(root_of "$1")
  root=$(clean_root "$base")
  expect "$where: npm install -g --omit=optional kdelay" inside "$root" npm install -g --omit=optional kdelay
  modules=$root/usr/local/lib/node_modules/kdelay/node_modules/@kdelay
  if [[ -d $modules ]]; then
    say "npm installs it all the same: taken away by hand"
    rm -r "$modules"
  fi
  expect "$where: kdelay --version" says "$version" inside "$root" kdelay --version
  expect "$where: kdelay capture names the package, exit code 69" refuses "$root" "$2"
  expect "$where: the package that it names" inside "$root" npm install -g "$package@$version"
  test_capture "$where, installed beside" inside "$root" sh /tmp/installed-capture /tmp
  umount "$root"
}

# Under emulation npm would take minutes: this machine's installs for the other, as npm's options have it.
test_in_arm64_root() {
  local where='arm64 (arm64-gnu)' base root
  need_packages qemu-system-arm
  need_zig
  build cross arm64-gnu build --package workload --bin kdelay-oracle || fail "the program with known truth could not be built: see the compiler's message above"
  cp "${CARGO_TARGET_DIR:-target}/$(triple arm64-gnu)/debug/kdelay-oracle" "$shared/kdelay-oracle"
  base=$(bash scripts/arm64-root)
  root=$(clean_root "$base")
  expect "$where: npm install -g kdelay for arm64 and glibc" npm install --global --prefix "$root/usr/local" --cpu=arm64 --libc=glibc \
    --registry "$registry" --cache "$work/npm-cache" kdelay
  KDELAY_KERNEL_TIMEOUT=600 test_capture "$where, Linux 6.12" in_guest "$root" 6.12 -a arm64
  umount "$root"
}
