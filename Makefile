# `make demo` answers a prompt with a real model; `make test` proves the product. `make check` is for every change, in
# less than 90 seconds once it has been run. Each target sets itself up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WINDOWS := .venv-windows
REFERENCE := .venv-reference
PROMPT ?= What is the capital of France? Answer in one sentence.

.PHONY: demo test test-fast test-rivals test-agents endurance check lint format driver driver-fuzz lock clean

# What `make check` runs: the rooms whose tests need no browser, no Wine and no compiler, without the files that take long.
LONG := $(addprefix tests/,test_telemetry.py engine/test_core_properties.py engine/test_genai.py \
	models/test_concurrency_and_interruption.py)
FAST := $(addprefix tests/,channel chat codex discovery doctor engine hardware models protocol serving) \
	$(filter-out $(LONG),$(wildcard tests/test_*.py)) $(addprefix --ignore=,$(LONG))

demo: $(VENV)/.runtime
	$(BIN)/cwai exec --use-windows-ai "$(PROMPT)"

test: $(VENV)/.development $(WINDOWS)/.ready build/.driver-tools build/.browser build/.network \
		$(VENV)/conformance/.ready $(VENV)/mcpb/.ready $(VENV)/webgpu/.ready
	$(MAKE) --directory tests/wine/doubles
	$(BIN)/python -m pytest

# The kernel driver, built by two compilers and read by three analysers; tests/driver and tests/wine prove the rest.
driver: build/.driver-tools
	$(MAKE) --directory driver all clang analyze

driver-fuzz: build/.driver-tools
	$(MAKE) --directory driver fuzz FUZZ_SECONDS=1200

# The tests marked `slow`, each of which takes minutes: long runs of others' suites, and of others' programs beside ours.
test-rivals: $(VENV)/.development $(REFERENCE)/.ready $(REFERENCE)/.genai-builder build/rivals/llama.cpp/.ready \
		build/rivals/tokenizers/.ready build/rivals/gemma/.ready
	$(BIN)/python -m pytest -m slow

# The coding agents themselves, each on a host of its own: 2.4 GB to fetch, half an hour to run.
test-agents: $(VENV)/.development build/rivals/agents/.ready
	$(BIN)/python -m pytest -m agents

# The tests of tests/endurance, which `make test` runs short, at full length (an hour or two); each prints its figures.
endurance: $(VENV)/.development
	ENDURANCE_MINUTES=$(or $(MINUTES),20) ENDURANCE_KILLS=$(or $(KILLS),50) ENDURANCE_BODIES=$(or $(BODIES),100000) \
		$(BIN)/python -m pytest -s tests/endurance

test-fast: $(VENV)/.development
	$(BIN)/python -m pytest $(FAST)

# Types and tests side by side: the type checker keeps one core busy, the tests the other.
check: $(VENV)/.development $(VENV)/windows-types/.ready
	$(MAKE) --jobs 2 --output-sync=target lint test-fast

lint: $(VENV)/.development $(VENV)/windows-types/.ready
	$(BIN)/ruff check src tests scripts
	$(BIN)/ruff format --check src tests scripts
	$(BIN)/lint-imports
	$(BIN)/pyright
	$(BIN)/pyright --pythonplatform Windows $(addprefix src/codex_windows_ai/,devices doctor hardware kernel windows_ai)

format: $(VENV)/.development
	$(BIN)/ruff check --fix src tests scripts
	$(BIN)/ruff format src tests scripts

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

# What Windows' own AI services look like to the type checker: packages for Windows, read and never run.
$(VENV)/windows-types/.ready: scripts/setup_windows_types.sh scripts/requirements-wine.txt | $(VENV)/.development
	scripts/setup_windows_types.sh $(VENV)/windows-types $(VENV)
	touch $@

# A Windows Python, for Wine.
$(WINDOWS)/.ready: scripts/setup_windows_python.sh scripts/requirements-wine.txt scripts/requirements-windows-python.txt \
		tests/wine/doubles/bcryptprimitives.c tests/wine/sitecustomize.py | $(VENV)/.development
	scripts/install_debian.sh gcc-mingw-w64-x86-64 wine wine64
	scripts/setup_windows_python.sh $(WINDOWS) $(VENV)
	touch $@

# What computes the truth that tests/rivals/models compares with: transformers and PyTorch.
$(REFERENCE)/.ready: scripts/requirements-reference.txt | $(VENV)/.development
	$(PYTHON) -m venv $(REFERENCE)
	$(REFERENCE)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --only-binary :all: \
		--requirement $<
	touch $@

# ONNX Runtime GenAI's model builder, whose folders tests/rivals/genai runs.
$(REFERENCE)/.genai-builder: scripts/requirements-genai-builder.txt $(REFERENCE)/.ready
	$(REFERENCE)/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes --only-binary :all: \
		--no-deps --requirement $<
	touch $@

# The rival there: llama.cpp's converter, quantizer and inference.
build/rivals/llama.cpp/.ready: scripts/fetch_llama_cpp.sh | $(VENV)/.development
	scripts/fetch_llama_cpp.sh $(@D) $(VENV)
	touch $@

# A model with trained weights, which tests/rivals/models runs.
build/rivals/gemma/.ready: scripts/fetch_gemma.sh | $(VENV)/.development
	scripts/fetch_gemma.sh $(@D) $(VENV)
	touch $@

# The coding agents that tests/rivals/agents runs: 2.4 GB, most of it their native programs.
build/rivals/agents/.ready: scripts/install_node_packages.sh tests/rivals/agents/package-lock.json \
		| $(VENV)/.development
	scripts/install_node_packages.sh $(VENV) tests/rivals/agents $(@D)
	touch $@

# Models' own tokenizers, which tests/rivals/tokenizers compares with: their files, and the libraries that read some.
build/rivals/tokenizers/.ready: scripts/install_node_packages.sh tests/rivals/tokenizers/package-lock.json \
		scripts/requirements-tokenizers.txt | $(VENV)/.development
	scripts/install_node_packages.sh $(VENV) tests/rivals/tokenizers $(@D)
	$(BIN)/python -m pip --quiet install --no-deps --require-hashes --only-binary :all: --upgrade --target $(@D)/python \
		--requirement scripts/requirements-tokenizers.txt
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

# What makes a network of its own, in which nothing leaves the machine unseen.
build/.network: Makefile scripts/install_debian.sh
	scripts/install_debian.sh iproute2
	mkdir -p build
	touch $@

clean:
	rm -rf $(VENV) $(WINDOWS) $(REFERENCE) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
