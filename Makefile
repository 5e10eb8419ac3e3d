# `make demo` answers a prompt with a real model; `make test` proves the product. Both set themselves up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PROMPT ?= What is the capital of France? Answer in one sentence.

.PHONY: demo test lint lock clean

demo: $(VENV)/.runtime
	$(BIN)/cwai exec --use-windows-ai "$(PROMPT)"

test: $(VENV)/.development
	$(BIN)/python -m pytest

lint: $(VENV)/.development
	$(BIN)/ruff check src tests scripts
	$(BIN)/ruff format --check src tests scripts
	$(BIN)/pyright
	$(BIN)/lint-imports

# Newest releases, pinned with hashes; needs `uv` (https://docs.astral.sh/uv/).
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--no-annotate --upgrade pyproject.toml --output-file scripts/requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--no-annotate --upgrade pyproject.toml --group dev --output-file scripts/requirements-dev.txt

$(VENV)/.runtime: pyproject.toml scripts/requirements.txt scripts/setup.sh
	PYTHON=$(PYTHON) scripts/setup.sh $(VENV) scripts/requirements.txt
	touch $@

$(VENV)/.development: pyproject.toml scripts/requirements-dev.txt scripts/setup.sh
	PYTHON=$(PYTHON) scripts/setup.sh $(VENV) scripts/requirements-dev.txt
	touch $@ $(VENV)/.runtime

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
