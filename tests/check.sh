#!/usr/bin/env bash
# The one check script, for people and CI: formatting, lint, types, import contracts, tests.
# Uses the environment in .venv (`make test` makes it). With --quick the tests marked slow are left out, with --coverage
# it is measured which lines the tests run, which makes them half as long again; other arguments go to pytest. Test
# modules are shared out to as many processes as there are processors, four at most: each of them makes the small models
# of the fixtures anew.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

step() { printf '\n== %s\n' "$*"; "$@"; }

pytest=(python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile)
case ${1:-} in
  --quick) pytest+=(-m 'not slow') && shift ;;
  --coverage) pytest+=(--cov --cov-report=term:skip-covered) && shift ;; # what tests start as a process counts nothing
esac

step ruff format --check --quiet
step ruff check --quiet
step mypy
step lint-imports
step python tests/structure.py
step "${pytest[@]}" "$@"
