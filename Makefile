# Every target sets up its own environment in .venv; PYTHON picks the interpreter (3.11 or newer).
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-all check bless bench bench-large validate validate-page sensitivity clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tulle needs Python 3.11 or newer; set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(STAMP) ## compile the shipped sparse GPT-2, run a prompt, verify it, compare with its dense twin
	$(BIN)/python examples/demo.py

test: $(STAMP) ## the test suite
	$(BIN)/pytest -m "not slow"

test-all: $(STAMP) ## the test suite with the long tests
	$(BIN)/pytest

check: $(STAMP) ## formatting, lint, types, imports between packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bless: $(STAMP) ## rewrite the expectations of the file tests
	$(BIN)/pytest tests/ir -q --bless

validate: $(STAMP) ## hand-written programs against published measurements: minutes
	$(BIN)/python examples/validation/validate.py --check docs/validation.md

validate-page: $(STAMP) ## write that table into docs/validation.md
	$(BIN)/python examples/validation/validate.py --write docs/validation.md

sensitivity: $(STAMP) ## what each assumed number of the machine moves: minutes
	$(BIN)/python examples/validation/sensitivity.py

bench: $(STAMP) ## what sparsity is worth, and how fast the tools are
	$(BIN)/python examples/bench

bench-large: $(STAMP) ## the same for large models, generated first: minutes, and up to 16 GB of memory
	$(BIN)/python examples/bench --large

clean: ## remove the environment and caches
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache
