# The few commands people type. `make run` and `make test` set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
NEW_ENOUGH := 'import sys; sys.exit(sys.version_info < (3, 11) and "scantune needs Python 3.11 or newer: name one, such as make PYTHON=python3.12")'
export MLFLOW_ALLOW_PICKLE_DESERIALIZATION = false

# An environment knows its place: one that came along with a moved or copied project is made again.
MADE_IN := $(shell cat $(VENV)/.ready 2>/dev/null)
ifneq ($(MADE_IN),)
ifneq ($(MADE_IN),$(CURDIR))
$(shell rm -rf $(VENV))
endif
endif

.PHONY: run all test slow heavy real check bench ui lock schema audit clean

run: $(VENV)/.ready            ## the quick default, from files to a registered model
	$(BIN)/scantune run

all: $(VENV)/.ready            ## everything in params.yaml
	$(BIN)/scantune run --all

test: $(VENV)/.ready           ## the quick tests, in two processes
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

slow: $(VENV)/.ready           ## tests that take seconds to a minute; CI runs them too
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -m "slow and not heavy and not real"

heavy: $(VENV)/.ready          ## the tests that take minutes
	$(BIN)/python -m pytest -m heavy

real: $(VENV)/.ready           ## the tests on public data sets below SCANTUNE_REAL_DATA
	$(BIN)/python -m pytest -m "real and not heavy" tests/real

check: $(VENV)/.ready          ## linter, format, types, import contract, schema
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/scantune schema --check

bench: $(VENV)/.ready          ## speed, beside the peers, as ratios
	$(BIN)/python -m benchmarks

ui: $(VENV)/.ready             ## the MLflow pages, on this machine only
	$(BIN)/scantune ui

schema: $(VENV)/.ready         ## write params.schema.json anew
	$(BIN)/scantune schema

# Pins and hashes for Linux, macOS and Windows, x86 and Arm, Python 3.11 to 3.14; no addresses.
lock: $(VENV)/.ready
	$(BIN)/uv pip compile pyproject.toml --no-config --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-annotate --extra demo --extra weights --extra brain --extra tensorboard --extra wandb --extra cluster --group dev -o requirements.txt

audit: $(VENV)/.ready          ## known holes in what is pinned
	$(BIN)/pip-audit -r requirements.txt --disable-pip --require-hashes

$(VENV)/.ready: requirements.txt pyproject.toml
	test -x $(BIN)/python || { $(PYTHON) -c $(NEW_ENOUGH) && $(PYTHON) -m venv $(VENV); }
	test -x $(BIN)/uv || $(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --no-deps -e .
	echo "$(CURDIR)" > $@
