# `make demo` answers a prompt with a real model; `make test` proves the product. Both set themselves up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WINDOWS := .venv-windows
PROMPT ?= What is the capital of France? Answer in one sentence.

.PHONY: demo test conformance driver driver-fuzz lint lock clean

demo: $(VENV)/.runtime
	$(BIN)/cwai exec --use-windows-ai "$(PROMPT)"

test: $(VENV)/.development $(WINDOWS)/.ready build/.driver-tools build/.browser \
		$(VENV)/conformance/.ready $(VENV)/mcpb/.ready $(VENV)/webgpu/.ready
	$(MAKE) --directory tests/wine/doubles
	$(BIN)/python -m pytest

# The kernel driver, built by two compilers and read by three analysers; tests/driver and tests/wine prove the rest.
driver: build/.driver-tools
	$(MAKE) --directory driver all clang analyze

driver-fuzz: build/.driver-tools
	$(MAKE) --directory driver fuzz FUZZ_SECONDS=1200

# What takes minutes: the long runs of the suites that others wrote.
conformance: $(VENV)/.development
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.development $(WINDOWS)/.ready
	$(BIN)/ruff check src tests scripts
	$(BIN)/ruff format --check src tests scripts
	$(BIN)/pyright
	$(BIN)/pyright --pythonplatform Windows src/codex_windows_ai/windows_ai src/codex_windows_ai/doctor
	$(BIN)/lint-imports

# Newest releases, pinned with hashes; needs `uv` (https://docs.astral.sh/uv/).
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--no-annotate --upgrade pyproject.toml --output-file scripts/requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--no-annotate --upgrade pyproject.toml --group dev --output-file scripts/requirements-dev.txt
	uv pip compile --quiet --python-platform x86_64-pc-windows-msvc --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-annotate --upgrade --override scripts/wine-overrides.txt pyproject.toml \
		--output-file scripts/requirements-wine.txt
	echo onnxruntime-ep-webgpu | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-annotate --no-deps --upgrade - --output-file scripts/requirements-webgpu.txt

$(VENV)/.runtime: pyproject.toml scripts/requirements.txt scripts/setup.sh
	PYTHON=$(PYTHON) scripts/setup.sh $(VENV) scripts/requirements.txt
	touch $@

$(VENV)/.development: pyproject.toml scripts/requirements-dev.txt scripts/setup.sh
	PYTHON=$(PYTHON) scripts/setup.sh $(VENV) scripts/requirements-dev.txt
	touch $@ $(VENV)/.runtime

# The conformance suite of the Model Context Protocol.
$(VENV)/conformance/.ready: scripts/install_node_packages.sh tests/conformance/package-lock.json | $(VENV)/.development
	scripts/install_node_packages.sh $(VENV) tests/conformance $(VENV)/conformance
	touch $@

# An execution provider for GPUs; in the environment itself it would put a developer's own GPU to work in every test.
$(VENV)/webgpu/.ready: scripts/requirements-webgpu.txt | $(VENV)/.development
	$(BIN)/python -m pip --quiet install --no-deps --require-hashes --upgrade --target $(VENV)/webgpu --requirement $<
	touch $@

# The validator of MCP bundles.
$(VENV)/mcpb/.ready: scripts/install_node_packages.sh tests/windows_ai/mcpb/package-lock.json | $(VENV)/.development
	scripts/install_node_packages.sh $(VENV) tests/windows_ai/mcpb $(VENV)/mcpb
	touch $@

# A Windows Python, for Wine and for the type checker.
$(WINDOWS)/.ready: scripts/setup_windows_python.sh scripts/requirements-wine.txt scripts/requirements-windows-python.txt \
		tests/wine/doubles/bcryptprimitives.c tests/wine/sitecustomize.py | $(VENV)/.development
	scripts/install_debian.sh gcc-mingw-w64-x86-64 wine wine64
	scripts/setup_windows_python.sh $(WINDOWS) $(VENV)
	touch $@

build/.driver-tools: Makefile scripts/install_debian.sh
	scripts/install_debian.sh gcc-mingw-w64-x86-64 gcc clang libclang-rt-14-dev cppcheck osslsigncode openssl
	mkdir -p build
	touch $@

# The browser that the page at the host's root is tested in; with it comes SwiftShader, the GPU that is a program.
build/.browser: Makefile scripts/install_debian.sh
	scripts/install_debian.sh chromium libvulkan1
	mkdir -p build
	touch $@

clean:
	rm -rf $(VENV) $(WINDOWS) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
