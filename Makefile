# make demo       install into .venv, train a network on handwritten digits, write demo/report.html
# make test       install, lint, type check and the fast tests     make test-full    every test
# make ext        rebuild both extensions in place                  make test-pythons every Python on this machine
# make bench      the benchmark, 5 minutes                          make bench-full   all of it
# make gpu-check  all kernels on this machine's card, under 9 minutes, without network
# make clean      remove what these made
# make test-array-api ARRAY_API_SUITE=dir    the array API suite; make test-full runs it too where the variable is set
#
# PYTHON=python3.12 chooses the interpreter, VENV=dir the environment.

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell sh scripts/find_python.sh)
SOURCES := pyproject.toml setup.py CMakeLists.txt $(wildcard csrc/*)

.PHONY: demo test test-full test-array-api test-pythons ext bench bench-full gpu-check lint typecheck format clean

demo: $(VENV)/.train
	@mkdir -p demo
	$(BIN)/gpudl train cnn --data digits --report demo/report.html

test: $(VENV)/.test lint typecheck
	$(BIN)/python -m pytest -q -n 2

test-full: $(VENV)/.test lint typecheck
	$(BIN)/python -m pytest -q -n 2 -m ""
	@if [ -n "$(ARRAY_API_SUITE)" ]; then $(MAKE) test-array-api; \
	else echo "array API suite left out: ARRAY_API_SUITE names no checkout of it"; fi

# ARRAY_API_SUITE is a checkout of github.com/data-apis/array-api-tests with its submodule.
test-array-api: $(VENV)/.test
	$(BIN)/python -m pip install -q -r "$(ARRAY_API_SUITE)/requirements.txt"
	sh scripts/array_api_tests.sh $(BIN)/python "$(ARRAY_API_SUITE)" -n 2

lint: $(VENV)/.test
	$(BIN)/ruff check .

typecheck: $(VENV)/.test
	PATH="$(abspath $(BIN)):$$PATH" sh scripts/typecheck.sh

format: $(VENV)/.test
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

test-pythons:
	sh scripts/test_pythons.sh

# In .venv, or in the environment of a PYTHON that is given and has setuptools, cmake, pybind11 and mypy.
ifeq ($(origin PYTHON),file)
ext: $(VENV)/.build
	GPUDL_EXTENSION=required $(BIN)/python setup.py -q build_ext --inplace
else
ext:
	GPUDL_EXTENSION=required $(PYTHON) setup.py -q build_ext --inplace
endif

# A card's host has its own CUDA, CuPy, NumPy and ml_dtypes, and nothing can be fetched: an environment on top of them.
GPU_PYTHON ?= python3
gpu-check:
	$(GPU_PYTHON) -m venv --system-site-packages build/gpu
	build/gpu/bin/python -m pip install -q --no-index --no-deps --no-build-isolation -e .
	build/gpu/bin/python scripts/gpu_check.py

bench: $(VENV)/.train
	$(BIN)/python -m bench --quick --json build/bench/quick.json --html build/bench/quick.html

bench-full: $(VENV)/.train
	$(BIN)/python -m bench --json build/bench/full.json --html build/bench/full.html

# One stamp a set of extras; a change of the build files installs again.
$(VENV)/.train: $(SOURCES) | $(BIN)/python
	@sh scripts/install.sh $(BIN)/python train
	@touch $@

$(VENV)/.test: $(SOURCES) | $(BIN)/python
	@sh scripts/install.sh $(BIN)/python test,train
	@touch $@ $(VENV)/.train

$(VENV)/.build: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q "setuptools>=77" "cmake>=3.18" ninja "pybind11>=3.0,<4" "mypy>=2.4"
	@touch $@

$(BIN)/python:
	@sh scripts/check_system.sh "$(PYTHON)"
	@"$(PYTHON)" -m venv $(VENV)

clean:
	rm -rf $(VENV) .venvs build dist demo gpudl.egg-info gpudl/_C.*.so gpudl/autograd/_compiled
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find gpudl kernels tests -name __pycache__ -prune -exec rm -rf {} +
