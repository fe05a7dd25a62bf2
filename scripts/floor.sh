# Building the programs in C that kdelay is compared with: sourced after common.sh by the scripts that do.
# shellcheck shell=bash

# Into target/bench: floor and what it loads.
build_floor() {
  need_packages clang libbpf-dev libc6-dev
  mkdir -p target/bench
  clang -g -O2 -mcpu=v3 -Wall -Werror -target bpf -I"/usr/include/$(uname -m)-linux-gnu" \
    -c bench/floor/floor.bpf.c -o target/bench/floor.bpf.o
  cc -O2 -Wall -Werror bench/floor/floor.c -o target/bench/floor -lbpf
}
