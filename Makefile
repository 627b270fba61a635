# Each target works alone on a machine that has make and Python 3.11, 3.12 or 3.13; `make help` lists them.

VENV := .venv
PYTHON ?=
PYTEST_ARGS ?= -n auto
DEMO_ARGS ?=
BENCH_ARGS ?=

RUN := $(VENV)/bin/python
ENSURE := VENV='$(VENV)' PYTHON='$(PYTHON)' sh tools/venv.sh

unexport PYTHONPATH PYTHONHOME PYTHONWARNINGS PYTHONOPTIMIZE
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test quick bench lint format lock clean

help:  ## list the targets
	@echo "usage: make TARGET [PYTHON=/path/to/python3.12] [PYTEST_ARGS=...]"
	@sed -n 's/^\([a-z]*\):.*## /\1 /p' Makefile | while read -r target text; do \
		printf '  %-8s %s\n' "$$target" "$$text"; done

demo:  ## run the demonstration: real images through a whole network
	@$(ENSURE) core
	@$(VENV)/bin/pimjax demo $(DEMO_ARGS)

test: lint  ## lint, then run the whole test suite
	@$(RUN) -m pytest $(PYTEST_ARGS)

quick:  ## run the tests that are not marked slow
	@$(ENSURE) dev
	@$(RUN) -m pytest -m "not slow" $(PYTEST_ARGS)

bench:  ## run every benchmark of speed and memory
	@$(ENSURE) dev
	@$(RUN) -m benchmarks $(BENCH_ARGS)

lint:  ## check style, formatting and types
	@$(ENSURE) dev
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

format:  ## rewrite the sources in the project's format
	@$(ENSURE) dev
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

# The core lock takes its pins from the dev lock, so that the two never disagree.
COMPILE := $(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --upgrade \
	--generate-hashes --no-emit-index-url --custom-compile-command "make lock" pyproject.toml

lock:  ## renew requirements/*.lock from pyproject.toml
	@$(ENSURE) bare
	@$(RUN) -m pip install -q uv
	$(COMPILE) --extra dev -o requirements/dev.lock
	echo hatchling | $(COMPILE) - -c requirements/dev.lock -o requirements/core.lock

clean:  ## remove the environment, caches and build products
	rm -rf $(VENV) build dist .jax_cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
