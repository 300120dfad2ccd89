#!/usr/bin/env bash
# The one check script, for people and CI: formatting, lint, types, import contracts, tests.
# Uses the environment in .venv (`make test` makes it). With --quick the tests marked slow are left out, and coverage
# is not measured; other arguments go to pytest. Test modules are shared out to as many processes as there are
# processors, four at most: each of them makes the small models of the fixtures anew.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

step() { printf '\n== %s\n' "$*"; "$@"; }

quick=
if [[ ${1:-} == --quick ]]; then
  quick=yes
  shift
fi

shared=(--numprocesses logical --maxprocesses 4 --dist loadfile)

step ruff format --check --quiet
step ruff check --quiet
step mypy
step lint-imports
step python tests/structure.py
if [[ $quick ]]; then
  step python -m pytest "${shared[@]}" -m 'not slow' "$@"
else
  step python -m pytest "${shared[@]}" --cov --cov-report= "$@"
  step coverage report --format=total # per cent of lines, in this process: servers and runs started by tests count nothing
fi
