# `make run` opens the app, `make test` passes the tests, `make soak` the long ones; each creates .venv and installs what
# is missing.
PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check

# The newest torch that requirements.txt accepts. Without an NVIDIA GPU the CPU build is asked for by name first.
TORCH := 2.13.0

.PHONY: run test soak audit
.DELETE_ON_ERROR:

run: $(VENV)/installed
	$(BIN)/python app.py $(ARGS)

# Three processes of one thread each: most tests are small, and some wait for a browser or a server.
test: $(VENV)/installed-dev
	$(BIN)/python -m core.embedded.parts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile

# The long parts of docs/reliability.md.
soak: $(VENV)/installed-dev
	$(BIN)/python -m core.embedded.parts
	EARSHOT_SLOW=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -s $$(grep -l tests.slow tests/test_*.py)

# Asks a database about every installed version; it says so where that cannot be reached. Its own tools stay apart.
audit: $(VENV)/installed
	@test -x $(VENV)/audit/bin/pip-audit || { $(PYTHON) -m venv $(VENV)/audit && $(VENV)/audit/bin/python -m pip install --quiet 'pip-audit>=2.9,<3'; }
	$(VENV)/audit/bin/pip-audit --vulnerability-service osv --path "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not here: install Python 3.11 or 3.12, or name one: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || { echo "Earshot needs Python 3.11 or 3.12 and $(PYTHON) is $$($(PYTHON) --version): name another one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "No virtual environment could be made: install python3-venv, then try again."; exit 1; }

$(VENV)/installed: requirements.txt | $(BIN)/python
	@echo "Installing (the first time takes a minute or two) ..."
	@test "$$(uname -s)" != Linux || command -v nvidia-smi >/dev/null || $(PIP) "torch==$(TORCH)+cpu" 2>/dev/null || \
		echo "Your package index offers no CPU build of torch $(TORCH) under that name: its default build follows, which may bring gigabytes of CUDA (docs/dependencies.md says how to avoid them)."
	@$(PIP) -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt requirements-evaluation.txt $(VENV)/installed
	@$(PIP) -r requirements-dev.txt
	@touch $@
