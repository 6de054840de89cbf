#!/usr/bin/env bash
# Puts the OpenTelemetry SDK for JavaScript into tests/pipeline/node/node_modules. First argument: how to become root ("" or sudo).
set -euo pipefail
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  ${1:-} apt-get update -q
  DEBIAN_FRONTEND=noninteractive ${1:-} apt-get install -qy --no-install-recommends nodejs npm
fi
npm ci --prefix tests/pipeline/node --ignore-scripts --no-audit --no-fund --silent
