# Everything a person needs to run, test and measure Holdfast. Needs Python 3.11+, make and a package index.

# the first that runs (a version manager leaves names behind that do not) and can make an environment
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)
BIN := .venv/bin
RUN := $(BIN)/python -m

# compiled modules are kept: most of a process's start is compiling, and the suite starts a hundred
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check browser lint bench reset verify pictures faults histories chaos operate observe kafka restore-drill ready extensions lock migration format

help:
	@echo "make run    start everything, with embedded Postgres and Redis and a stand-in store"
	@echo "make test   the whole suite          make check  lint, types, import rules and tests"
	@echo "make bench  measure against a peer   make faults each part failing, seen by the others"
	@echo "make chaos  the long proof: everything fails during 5,000 webhooks (SEEDS=\"1 2\")"
	@echo "make browser  most pages and the widget in a real browser"
	@echo "make histories  10,000 random histories against a simple model"
	@echo "make operate  Kafka, HAProxy, Prometheus: the parts a production has, tried where they are"
	@echo "make kafka  the same as run, with a real Kafka broker as the bus (Java and Maven)"
	@echo "make observe  Prometheus and Alertmanager beside make run, where they are installed"
	@echo "make restore-drill  a backup restored, verified and compared with the original"
	@echo "make extensions  the widget into the theme extension, before shopify app deploy"
	@echo "make verify recompute every balance  make reset  forget all local data"

.venv/pip:
	@test -n "$(PYTHON)" || { echo "Holdfast needs Python 3.11 or newer, with its venv module."; exit 1; }
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

# a real broker (its jars by Maven, once), and the whole product of `make run` with it as the bus
kafka: .venv/run
	@exec $(RUN) ops.kafka.run

test: .venv/dev
	$(RUN) pytest -n 4 --dist loadfile --no-loadscope-reorder

lint: .venv/dev
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(BIN)/lint-imports
	$(RUN) ops.flags check
	$(RUN) djlint --quiet --check --lint templates devstore/templates

check: lint test

# most pages, widgets and gestures in a real browser; what needs the longest is part of make faults
browser: .venv/dev
	$(RUN) pytest -n 4 --dist loadfile -m "browser and not long" tests/browser tests/devstore/pages

# all pictures under docs/ but those of the dashboards (python -m tests.operate.pictures)
pictures: .venv/dev
	$(RUN) tests.browser.pictures
	$(RUN) tests.browser.contact_sheet
	$(RUN) tests.road.picture_of_an_order

format: .venv/dev
	$(RUN) ruff check --fix .
	$(RUN) ruff format .

bench: .venv/dev
	$(RUN) benchmarks.run

# the checkout's extension is built by Shopify's own tool
extensions: .venv/run
	@$(RUN) ops.extensions

# SEEDS="1 2 3" make chaos: a story for each, some two minutes; BUS=kafka: with Kafka as the bus
chaos: .venv/dev
	$(RUN) pytest -o addopts="-p no:valkey" -q -s tests/proofs

# what each part's failure does to the others, really done; minutes
faults: .venv/dev
	$(RUN) pytest -o addopts="-p no:valkey" -q -s -m long --ignore=tests/proofs

# 10,000 random histories of all that happens to points against the model; SINCE=10000 for others
histories: .venv/dev
	$(RUN) pytest -o addopts="-p no:valkey" -q -n 2 -m long tests/points/test_histories.py

# with real parts that pip does not bring, each skipped with its reason where it is not found; the
# longer ones are part of make faults
operate: .venv/dev
	$(RUN) pytest -o addopts="-q -p no:valkey" -m "operate and not long" -n 3 --dist loadfile tests/operate

# beside `make run`: alerts are printed, with the page of the runbook that says what to do
observe: .venv/run
	@exec $(RUN) ops.observe

# the newest backup of BACKUP_FOLDER restored, verified and compared with DATABASE_URL; without one
# the same on a small store of its own
restore-drill: .venv/run
	@$(RUN) $(if $(BACKUP_FOLDER),ops.backup drill $(ARGS),ops.backup.rehearsal)

# against the store of `make run`, or the one DATABASE_URL names; ARGS="SHOP --days 7 --from PLACE"
verify: .venv/run
	@$(RUN) local.verify $(ARGS)

# looks at the installation that DATABASE_URL and REDIS_URL name, and prints what is missing;
# ARGS="redis tables" looks at these alone, ARGS="--without archive replica" at all others
ready: .venv/run
	@$(RUN) ops.ready $(ARGS)

reset:
	@$(PYTHON) -m local.reset

migration: .venv/dev
	$(RUN) tortoise -c app.db.TORTOISE makemigrations

lock: .venv/pip
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --python-version 3.11 --no-annotate --no-header --group local pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --python-version 3.11 --no-annotate --no-header -c requirements.lock pyproject.toml -o requirements-image.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --python-version 3.11 --no-annotate --no-header --group local --group dev pyproject.toml -o requirements-dev.lock
