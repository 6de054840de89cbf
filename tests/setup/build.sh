#!/usr/bin/env bash
# Installs what the C parts of the build need. First argument: how to become root ("" or sudo).
set -euo pipefail
missing=()
command -v cc >/dev/null && command -v make >/dev/null || missing+=(build-essential)
command -v pkg-config >/dev/null || missing+=(pkg-config)
command -v git >/dev/null || missing+=(git)
[ -e /usr/include/zlib.h ] || missing+=(zlib1g-dev)
[ -d /etc/ssl/certs ] || missing+=(ca-certificates)
[ ${#missing[@]} -eq 0 ] && exit 0
echo "set-up: installing ${missing[*]}"
command -v apt-get >/dev/null || { echo "set-up: this system has no apt-get; install by hand: ${missing[*]}" >&2; exit 1; }
${1:-} apt-get update -q
DEBIAN_FRONTEND=noninteractive ${1:-} apt-get install -qy --no-install-recommends "${missing[@]}"
