# One runner for people and for CI. On a fresh machine every target makes its own environment:
# python3 >= 3.11 with venv, and make. Nothing is compiled: wheels only, but for our own members.

UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
SERVED := libs/common services/sis-ingest services/roster-publisher services/directory-sync \
	services/ticket-events
APPS := apps/homeroom apps/emulators
MANIFESTS := pyproject.toml constraints.txt $(APPS:%=%/pyproject.toml) \
	$(SERVED:%=%/pyproject.toml)
CANDIDATES := python3 python3.13 python3.12 python3.11
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --only-binary :all: -c constraints.txt

# PYTHON=python3.12 chooses one; else the first candidate that is new enough.
ifndef PYTHON
PYTHON := $(shell for p in $(CANDIDATES); do \
	$$p -c '$(NEW_ENOUGH)' 2>/dev/null && echo $$p && break; done)
endif

# Trust what the machine trusts, as pip does: many districts read TLS through a proxy of their own.
export UV_SYSTEM_CERTS ?= true
# Compiled once here instead of at the first start of each of the demo's processes.
export UV_COMPILE_BYTECODE ?= 1

.DEFAULT_GOAL := help
.PHONY: setup demo up test unit integration check lint types bench guards fmt lock clean help
.DELETE_ON_ERROR:

setup: $(VENV)/.stamp-dev ## make the environment with all tools (others do it by themselves)

demo: $(VENV)/.stamp ## a made-up district through every service (KAFKA=1, DISTRICT=15000, SOURCE=powerschool)
	$(BIN)/homeroom demo

up: $(VENV)/.stamp ## start everything on this machine and stay until Ctrl-C (KAFKA=1, DISTRICT=0, SOURCE=powerschool)
	$(BIN)/homeroom up

test: $(VENV)/.stamp-dev ## every test, with real PostgreSQL and Kafka where they can be had
	$(BIN)/pytest -n 2 --dist loadfile $(T)

unit: $(VENV)/.stamp-dev ## the inner loop: no services (T=path narrows it)
	$(BIN)/pytest $(or $(T),tests/unit)

integration: $(VENV)/.stamp-dev ## tests on real parts (T=path narrows it)
	$(BIN)/pytest $(or $(T),tests/integration tests/contract)

check: lint types ## lint, types, architecture and contracts: what a change must pass first
	$(BIN)/pytest tests/architecture
	$(BIN)/python -m roster_common.contracts --check

lint: $(VENV)/.stamp-dev ## style and import rules; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(VENV)/.stamp-dev ## mypy, strict
	$(BIN)/mypy

bench: $(VENV)/.stamp-dev ## measure against the committed marks
	$(BIN)/python tests/bench/run.py

guards: $(VENV)/.stamp-dev ## show that each guard catches a breach
	$(BIN)/python tests/guards/run.py

fmt: $(VENV)/.stamp-dev ## format and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/.stamp-dev ## write constraints.txt anew: the newest versions that fit together
	rm -f uv.lock
	$(BIN)/uv lock --quiet
	$(BIN)/uv export --quiet --all-packages --all-extras --all-groups --no-emit-workspace \
		--no-hashes --no-annotate --no-header --no-emit-project > uv.lock.txt
	@test -z "$$(sed 's/==.*//' uv.lock.txt | uniq -d)" || { echo "two versions of one package" \
		"for different systems: see uv.lock.txt" >&2; exit 1; }
	sed 's/ ;.*//' uv.lock.txt | LC_ALL=C sort > constraints.txt
	rm -f uv.lock uv.lock.txt

clean: ## remove the environment, caches and the demo's data
	rm -rf $(VENV) .demo .bench .cache .pytest_cache .mypy_cache .ruff_cache .import_linter_cache \
		.hypothesis

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The environment for running: light, so that the demo is quick on a fresh machine.
$(VENV)/.stamp: $(MANIFESTS)
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer is needed and none of" \
		"$(CANDIDATES) is; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c '$(NEW_ENOUGH)' || { echo "make: $(PYTHON) is older than 3.11 or does not" \
		"run; name another: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "make: $(PYTHON) has no venv" \
		"module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "making the environment in $(VENV) with $(PYTHON)"
	@$(BIN)/python -c '$(NEW_ENOUGH)' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/uv --version 2>/dev/null | grep -q " $(UV_VERSION)\b" || $(BIN)/python -m pip install \
		--quiet --disable-pip-version-check --only-binary :all: uv==$(UV_VERSION)
	@$(INSTALL) $(SERVED:%=-e %) -e 'apps/homeroom[demo]' -e apps/emulators
	@touch $@

# The tools on top.
$(VENV)/.stamp-dev: $(VENV)/.stamp
	@echo "adding the tools for tests and checks"
	@$(INSTALL) --group dev
	@touch $@
