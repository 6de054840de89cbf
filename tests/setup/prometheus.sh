#!/usr/bin/env bash
# Puts Debian's prometheus and promtool into target/servers/prometheus, without installing a service. First argument: how to become root ("" or sudo).
set -euo pipefail
folder=target/servers/prometheus
rm -rf "$folder" && mkdir -p "$folder"
cd "$folder"
apt-get download -q prometheus 2>/dev/null || { ${1:-} apt-get update -q && apt-get download -q prometheus; }
dpkg -x prometheus_*.deb .
rm prometheus_*.deb
usr/bin/prometheus --version
