# What must be so of the archives that are published: sourced by scripts/test-packages after common.sh.
# shellcheck shell=bash

largest_packed=$((3 << 20)) largest_unpacked=$((8 << 20))

# archive_of PLATFORM|kdelay
archive_of() {
  case $1 in
    kdelay) printf 'target/packages/kdelay-%s.tgz\n' "${version:?}" ;;
    *) printf 'target/packages/kdelay-native-linux-%s-%s.tgz\n' "$1" "${version:?}" ;;
  esac
}

manifest() {
  tar -xzOf "$1" package/package.json
}

# holds ARCHIVE FILTER: its package.json is as jq's filter says.
holds() {
  manifest "$1" | jq --exit-status --arg version "${version:?}" "$2" >/dev/null || {
    manifest "$1"
    return 1
  }
}

# has_files ARCHIVE: just those on stdin.
has_files() {
  diff <(sort) <(tar -tzf "$1" | sed 's|^package/||' | sort)
}

# What kdelay itself is made of: what git has, a declaration for each source, and what the bundler wrote.
files_of_kdelay() {
  printf '%s\n' package.json README.md LICENSE THIRD-PARTY.md
  jq --raw-output '.files[] | select(. != "dist")' package.json | xargs git ls-files
  git ls-files src | sed -E 's|^src/|dist/|; s|(\.d)?\.ts$|.d.ts|'
  jq --raw-output '.outputs | keys[]' target/packages/bundle.json
}

# small_enough ARCHIVE: to download, and once installed.
small_enough() {
  (($(stat -c %s "$1") <= largest_packed && $(unpacked "$1") <= largest_unpacked))
}

unpacked() {
  tar -xzOf "$1" | wc -c
}

# check_archives PLATFORM…
check_archives() {
  local platform archive
  for platform in "$@"; do
    archive=$(archive_of "$platform")
    # shellcheck disable=SC2016 # jq's variables
    expect "$platform: neither scripts nor dependencies, and just this version" holds "$archive" \
      '.version == $version and ([.scripts, .dependencies, .peerDependencies, .devDependencies, .optionalDependencies] | all(. == null))'
    local libc=glibc
    [[ $platform != *-musl ]] || libc=musl
    expect "$platform: is for linux, ${platform%-*} and $libc alone" holds "$archive" \
      ".os == [\"linux\"] and .cpu == [\"${platform%-*}\"] and .libc == [\"$libc\"]"
    expect "$platform: has the module, its licenses, and nothing else" has_files "$archive" \
      < <(printf '%s\n' package.json README.md LICENSE THIRD-PARTY.md "kdelay.linux-$platform.node")
    expect "$platform: $(stat -c %s "$archive") bytes packed, $(unpacked "$archive") unpacked, no more than $largest_packed and $largest_unpacked" \
      small_enough "$archive"
  done
  archive=$(archive_of kdelay)
  # shellcheck disable=SC2016 # jq's variables
  {
    expect 'kdelay: asks for the platforms'\'' packages of its own version, and nothing else' holds "$archive" \
      '.version == $version and ([.scripts, .dependencies, .peerDependencies, .devDependencies] | all(. == null))
        and .optionalDependencies == (["arm64-gnu", "arm64-musl", "x64-gnu", "x64-musl"]
          | map({ "@kdelay/native-linux-\(.)": $version }) | add)'
    expect 'kdelay: is for linux, and has a command, an entry point and declarations' holds "$archive" \
      '.os == ["linux"] and .bin == { kdelay: "dist/cli.js" } and .types == "./dist/index.d.ts" and .exports["."].default == "./dist/index.js"'
  }
  expect 'kdelay: has what git and the bundler know of, and nothing else' has_files "$archive" < <(files_of_kdelay)
  expect "kdelay: $(stat -c %s "$archive") bytes packed, $(unpacked "$archive") unpacked, no more than $largest_packed and $largest_unpacked" \
    small_enough "$archive"
}
