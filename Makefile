# Everything a person needs to run, test and measure Holdfast. Needs Python 3.11+, make and a package index.

PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3; do command -v $$p && break; done | head -n 1)
BIN := .venv/bin
RUN := $(BIN)/python -m

.DEFAULT_GOAL := help
.PHONY: help run test check lint bench reset verify chaos lock migration format

help:
	@echo "make run    start everything, with embedded Postgres and Redis and a stand-in store"
	@echo "make test   the whole suite          make check  lint, types, import rules and tests"
	@echo "make bench  measure against a peer   make chaos  the long proof: kill -9 during 5,000 webhooks"
	@echo "make verify recompute every balance  make reset  forget all local data"

.venv/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Holdfast needs Python 3.11 or newer.")'
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/run: .venv/pip requirements.lock
	@echo "Installing what Holdfast needs (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

.venv/dev: .venv/pip requirements-dev.lock
	@echo "Installing what Holdfast and its tests need (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@ .venv/run

run: .venv/run
	@exec $(RUN) local.run

test: .venv/dev
	$(RUN) pytest

lint: .venv/dev
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(BIN)/lint-imports
	$(RUN) djlint --quiet --check --lint templates devstore/templates

check: lint test

format: .venv/dev
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

bench: .venv/dev
	$(RUN) benchmarks.run

chaos: .venv/dev
	$(RUN) pytest -o addopts= -q -s tests/proofs

# against the store of `make run`, or the one DATABASE_URL names
verify: .venv/run
	@$(RUN) local.verify

reset:
	@$(PYTHON) -c 'import os, shutil; shutil.rmtree(os.environ.get("HOLDFAST_DATA", ".holdfast"), ignore_errors=True)'
	@echo "All local data is gone; the next make run starts anew."

migration: .venv/dev
	$(RUN) tortoise -c app.db.TORTOISE makemigrations

lock: .venv/pip
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --python-version 3.11 --no-annotate --no-header --group local pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --python-version 3.11 --no-annotate --no-header --group local --group dev pyproject.toml -o requirements-dev.lock
