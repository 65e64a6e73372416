# `make` alone prints this help. Everything a target needs is installed into .venv from the lock files.
PYTHON ?= python3
BIN := .venv/bin
T ?= tests

.DEFAULT_GOAL := help
.PHONY: help demo test check contracts bench bench-reference chaos up down secrets lock clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

.venv/run: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11 to 3.13 is needed, $(PYTHON) is another: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/dev: requirements-dev.lock .venv/run
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

.PHONY: vendor
vendor: .venv/run
	@$(BIN)/python -m services.kit.web.vendor

demo: .venv/run vendor  ## the platform on this machine, 300 cases played through every door (ONCE=1: stop afterwards)
	@$(BIN)/entraide demo $(if $(ONCE),--once) $(if $(CASES),--cases $(CASES))

test: .venv/dev vendor  ## every test (T=path for some of them)
	$(BIN)/python -m pytest $(T)

check: .venv/dev  ## lints, types, import rules, contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m contracts.generate --check
	$(BIN)/python -m contracts.compatibility

contracts: .venv/dev  ## writes the schemas, the AsyncAPI document and docs/events.md anew
	$(BIN)/python -m contracts.generate

bench: .venv/dev  ## measures, each figure against a yardstick in the same run
	$(BIN)/python -m tests.bench

bench-reference: .venv/dev  ## the same for members, contracts and their search, at full size
	$(BIN)/python -m tests.bench.reference

chaos: .venv/dev vendor  ## kills processes, broker and database while cases are played, then checks them (SECONDS=90 SEED=1)
	$(BIN)/python -m tests.chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

up: .venv/run  ## the same platform in containers
	@$(BIN)/entraide up

down: .venv/run  ## stops the containers, keeps their data
	@$(BIN)/entraide down

secrets: .venv/run  ## writes the secrets of `make up` that are missing
	@$(BIN)/entraide secrets

lock: .venv/dev  ## resolves pyproject.toml into the lock files, names and hashes only
	$(BIN)/uv pip compile --quiet --python-version 3.11 --universal --no-header --no-annotate --generate-hashes --extra embedded pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --python-version 3.11 --universal --no-header --no-annotate --generate-hashes --constraint requirements.lock pyproject.toml -o requirements-run.lock
	$(BIN)/uv pip compile --quiet --python-version 3.11 --universal --no-header --no-annotate --generate-hashes --extra embedded --extra dev pyproject.toml -o requirements-dev.lock

clean:  ## removes what the targets made here
	rm -rf .venv services/kit/web/vendor services/kit/web/node_modules
