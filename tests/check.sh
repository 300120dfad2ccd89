#!/usr/bin/env bash
# The one check script, for people and CI: formatting, lint, types, import contracts, tests.
# Uses the environment in .venv (`make test` makes it); arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

step() { printf '\n== %s\n' "$*"; "$@"; }

step ruff format --check --quiet
step ruff check --quiet
step mypy
step lint-imports
step python -m pytest "$@"
