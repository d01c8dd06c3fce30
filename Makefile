# A user needs Python >= 3.11 and make. `make run` and `make test` set everything else up.
.DEFAULT_GOAL := help
.PHONY: help setup run demo test soak lint format lock bench clean

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := libs/contracts libs/vendor libs/chassis libs/ameise libs/zoho libs/sandbox \
	services/ingest services/sync services/auth services/gateway services/audit deploy/local
READY := $(VENV)/.ready
# Two workers: what a small machine has. `make test JOBS=1` shows one test after the other.
JOBS ?= 2
ARGS ?=

help:  ## Show what can be done here
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

setup: $(READY)  ## Make the virtual environment from requirements.lock

$(READY): requirements.lock $(PACKAGES:%=%/pyproject.toml)
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or set PYTHON=/path/to/python"; exit 1; }
	@echo "Setting up $(VENV) (about a minute the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index \
		$(PACKAGES:%=-e %)
	@touch $@

run: setup  ## Start everything here, play the demo once, stay up until Ctrl-C
	@$(BIN)/mvp-connector up $(ARGS)

demo: setup  ## As run, but end after the demo; exit status 0 if every step was observed
	@$(BIN)/mvp-connector up --exit-after-demo $(ARGS)

# Keeps bytecode although images often say not to: else each process that a test starts compiles all modules.
test soak: export PYTHONDONTWRITEBYTECODE =

test: setup  ## Run the whole suite
	@$(BIN)/pytest -n $(JOBS) --dist loadgroup $(ARGS)

soak: setup  ## Play random life and mishaps for long; SOAK_SEED=... plays a failed run again
	@SOAK_STEPS=$${SOAK_STEPS:-80} SOAK_EXAMPLES=$${SOAK_EXAMPLES:-30} $(BIN)/pytest -x -s tests/soak $(ARGS)

lint: setup  ## Format, lint, types and layers, as pre-commit and CI do
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright --warnings
	@$(BIN)/lint-imports

format: setup  ## Format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: setup  ## Renew requirements.lock from all packages' pyproject.toml
	@$(BIN)/python deploy/lock.py

bench: setup  ## Measure, and print the tables of benchmarks/README.md
	@PYTHONPATH=tests $(BIN)/python -m benchmarks $(ARGS)

clean:  ## Remove the virtual environment (data in .data stay)
	@rm -rf $(VENV)
