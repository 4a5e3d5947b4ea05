# Development from here: `make up`, then open http://127.0.0.1:8000/docs/. `make help` lists the rest.
# Needs make and Python 3.11 or newer; everything else goes into .venv and .dev.

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
CODE := $(filter-out tests benchmarks,$(patsubst %/__init__.py,%,$(wildcard */__init__.py)))
# Three workers keep two cores busy: tests wait a lot. PYTEST_ARGS=-n0: one after another.
PYTEST_ARGS ?= -n 3
# One list for every system and every Python from 3.11.
LOCK = $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $(LOCK_ARGS)

# Where Node.js is, its packages are installed for the tests that need them. Without the network those tests are left
# out, and the end of the tests says so.
NODE_READY := $(if $(shell command -v npm),$(patsubst %/package-lock.json,%/node_modules/ready,\
	$(wildcard examples/package-lock.json tests/*/package-lock.json)))

# The newest interpreter that can make a virtual environment; one that is newer than those tried comes last.
# PYTHON=... names another.
FIND_PYTHON = for python in $(or $(PYTHON),python3.13 python3.12 python3.11 python3 python3.14); do \
	"$$python" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; done; \
	[ -n "$$python" ] || { echo "Error: Python 3.11 or newer is needed; found: $$($(or $(PYTHON),python3) --version 2>&1). \
	Name one with: make $@ PYTHON=/path/to/python3. If it is new enough, Debian and Ubuntu keep a part of it in python3-venv." \
	>&2; exit 1; }

.PHONY: help up class install install-dev quick test test-long lint check lock reset clean

help:  ## list these targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | while IFS="$$(printf '\t')" read -r name what; do \
		printf '  make %-12s %s\n' "$$name" "$$what"; done

up: $(VENV)/ready-local  ## start everything; Ctrl-C stops everything
	@exec env UP_ENDS_WITH_PARENT=1 $(PY) manage.py up

class: $(VENV)/ready-local  ## the same for a class: other machines in the network can open it
	@! grep -qis microsoft /proc/version || { echo "Error: a class reaches only Windows, not WSL: docs/starting.md has the lines." >&2; exit 1; }
	@address=$$($(PY) -c 'from core.bootstrap import own_address; print(own_address())' 2>/dev/null) || { \
		echo "Error: This machine has no network. Name its address yourself: BIND=0.0.0.0 PUBLIC_BASE_URL=http://ADDRESS:$${PORT:-8000} make up" >&2; exit 1; }; \
	exec env BIND=0.0.0.0 PUBLIC_BASE_URL="http://$$address:$${PORT:-8000}" UP_ENDS_WITH_PARENT=1 $(PY) manage.py up

install: $(VENV)/ready  ## virtual environment and what production needs
	@# Also for a new release with the same dependencies: production's account cannot write bytecode, so each of its
	@# processes would compile all of our code at every start, which takes four times as long as the start itself.
	@$(COMPILE) $(CODE) manage.py

install-dev: $(VENV)/ready-dev  ## the same, with what tests and checks need

test: $(VENV)/ready-dev $(NODE_READY)  ## run the tests; PYTEST_ARGS=... instead of "-n 3"
	@# Bytecode is kept also where PYTHONDONTWRITEBYTECODE is set: without it each worker takes 8 s more to begin.
	@exec env -u PYTHONDONTWRITEBYTECODE $(PY) -m pytest $(PYTEST_ARGS)

test-long: $(VENV)/ready-dev $(NODE_READY)  ## what takes longest: killed processes, vanishing machines, random calls, every page in a browser
	@exec env -u PYTHONDONTWRITEBYTECODE $(PY) -m pytest $(PYTEST_ARGS) tests/long

# Below the tests of the apps that have changes, or of those that the last commit changed.
CHANGED = $$({ git status --porcelain -uall | cut -c4- | grep . || git show --name-only --format= HEAD; } | cut -d/ -f1 | sort -u)

quick: $(VENV)/ready-dev  ## the tests of the apps that you changed, without the slow ones, before every commit
	@for app in $(CHANGED); do [ -d "$$app/tests" ] && apps="$$apps $$app"; done; \
	[ -n "$$apps" ] || { echo "No app with tests has changed."; exit 0; }; \
	exec env -u PYTHONDONTWRITEBYTECODE $(PY) -m pytest $(PYTEST_ARGS) -m "not slow" $$apps

lint: $(VENV)/ready-dev  ## style, types, import order, missing migrations
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy $(CODE)
	$(VENV)/bin/lint-imports
	$(PY) -W ignore manage.py makemigrations --check --dry-run  # needs no database, and warns that it has none

check: lint test test-long  ## lint, then every test

lock: $(VENV)/ready-dev  ## write requirements*.txt anew from requirements*.in; LOCK_ARGS=--upgrade for newer releases
	@$(PIP) install --quiet uv
	$(LOCK) --output-file requirements.txt requirements.in
	$(LOCK) --output-file requirements-local.txt requirements-local.in
	$(LOCK) --output-file requirements-dev.txt requirements-dev.in

reset:  ## forget the data in .dev and the pictures in media (refuses while it runs)
	@$(FIND_PYTHON); exec "$$python" -m devstack.reset

clean:  ## remove the virtual environment and caches; the data stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# --no-deps: the lists are complete, so pip need not work out what is missing. The bytecode is made for all at
# once and on all cores, also where PYTHONDONTWRITEBYTECODE is set: every process start would pay for it.
INSTALL = $(PIP) install -qq --no-deps --no-compile --require-hashes
NO_PIP = { echo "Error: pip could not fetch the packages; why stands above. They come once, over the network: behind a \
	mirror PIP_INDEX_URL=https://MIRROR/simple make $(MAKECMDGOALS), without a network docs/starting.md." >&2; exit 1; }
COMPILE = $(PY) -m compileall -qq -j 0

$(VENV)/ready: requirements.txt
	@$(FIND_PYTHON); \
	if ! $(PY) -c 'import pip' 2>/dev/null; then \
		echo "Making a virtual environment with $$("$$python" --version)"; \
		"$$python" -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }; fi
	@echo "Installing the dependencies (once; a minute or so)"
	@$(INSTALL) -r requirements.txt || $(NO_PIP)
	@$(COMPILE) $(VENV)/lib $(CODE) manage.py || true
	@# So that .venv/bin/pytest and the like find our packages too; relative, since folders get moved.
	@for site in $(VENV)/lib/python*/site-packages; do echo ../../../.. > "$$site/project.pth"; done
	@touch $@

%/node_modules/ready: %/package-lock.json
	@echo "Installing the packages of $*"
	@npm ci --prefix $* --no-audit --no-fund --loglevel=error && touch $@ || echo "The packages of $* are missing."

$(VENV)/ready-local: $(VENV)/ready requirements-local.txt
	@$(INSTALL) -r requirements-local.txt || $(NO_PIP)
	@$(COMPILE) $(VENV)/lib || true
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready-local requirements-dev.txt
	@echo "Installing what tests and checks need"
	@$(INSTALL) -r requirements-dev.txt || $(NO_PIP)
	@$(COMPILE) $(VENV)/lib || true
	@touch $@
