#!/usr/bin/env bash
# Makes sure that cargo is there and new enough. First argument: how to become root ("" or sudo).
set -euo pipefail
wanted=1.95
new_enough() {
  command -v cargo >/dev/null || return 1
  local have
  have=$(cargo --version | awk '{print $2}')
  [ "$(printf '%s\n%s\n' "$wanted" "$have" | sort -V | head -n 1)" = "$wanted" ]
}
new_enough && exit 0
if ! command -v rustup >/dev/null && command -v apt-get >/dev/null; then
  ${1:-} apt-get update -q
  DEBIAN_FRONTEND=noninteractive ${1:-} apt-get install -qy --no-install-recommends rustup || true
fi
if command -v rustup >/dev/null; then
  rustup toolchain install stable --profile minimal -c clippy -c rustfmt
  rustup default stable
fi
new_enough && exit 0
echo "set-up: Rust $wanted or newer is needed; this system's packages have none. Install rustup as rust-lang.org says, then run make again." >&2
exit 1
