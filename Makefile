# Everything that a fresh machine needs: each target makes its own environment in .venv.
PYTHON ?= python3
# Extra arguments for installing PyTorch, such as its index of CPU builds (see pytorch.org, "Get started").
TORCH_PIP_ARGS ?=
TORCH_VERSION := 2.13.0
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo quick test coverage format train fit clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What a server needs, and no more.
.venv/server: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'error: expected Python 3.11 or newer; name one: make PYTHON=python3.12 …' >&2; exit 1; }
	$(PYTHON) -m venv .venv \
	  || { echo 'error: no venv module; on Debian and Ubuntu: sudo apt-get install python3-venv' >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

# PyTorch comes first and pinned, so that its dependencies are settled before the project's ranges are.
.venv/ready: .venv/server
	$(BIN)/python -m pip install --quiet torch==$(TORCH_VERSION) $(TORCH_PIP_ARGS)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'  # the first that knows dependency groups
	$(BIN)/python -m pip install --quiet --editable '.[training]' --group dev
	@touch $@

demo: .venv/server  ## complete real code with the bundled model, through the real server
	@$(BIN)/lineahead demo

quick: .venv/ready  ## run the checks that take less than a minute: no training, no processes
	tests/check.sh --quick

test: .venv/ready  ## run all checks: formatting, lint, types, import contracts, tests
	tests/check.sh

coverage: .venv/ready  ## run all checks, and say which lines of the packages no test runs
	tests/check.sh --coverage

format: .venv/ready  ## mend formatting and what lint can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

train: .venv/ready  ## train a model with the config for this machine (hours; resumes where it was stopped)
	$(BIN)/python -m training.run

fit: .venv/ready  ## fit a new model's memory gate, then how its suggestions are judged: make fit MODEL=… CODE="… …"
	@test -d "$(MODEL)" -a -n "$(CODE)" || { echo 'error: expected MODEL=CHECKPOINT and CODE="FOLDER …"' >&2; exit 2; }
	$(BIN)/python tests/benchmarks/fit_memory.py $(CODE) --model "$(MODEL)" --write
	$(BIN)/python tests/benchmarks/fit_judgement.py $(CODE) --model "$(MODEL)" --write

clean:  ## remove the environment and caches; runs/ stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage build dist *.egg-info
