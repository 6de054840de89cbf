#!/usr/bin/env bash
# Puts the OpenTelemetry SDK for Python into target/sdk/python. First argument: how to become root ("" or sudo).
set -euo pipefail
if ! python3 -c 'import ensurepip' 2>/dev/null; then
  ${1:-} apt-get update -q
  DEBIAN_FRONTEND=noninteractive ${1:-} apt-get install -qy --no-install-recommends python3 python3-venv
fi
rm -rf target/sdk/python
python3 -m venv target/sdk/python
target/sdk/python/bin/pip install -q --disable-pip-version-check -r tests/pipeline/python/requirements.txt
