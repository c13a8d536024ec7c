# Lacuna. `make` alone prints this help.
# Two commands set up all they need: `make run` and `make test`.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
ROOT ?= lacuna-root
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
LOCK = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml
BENCHES = $(wildcard tests/bench/*.py)
VENV_GPU := .venv-gpu
GPU := $(VENV_GPU)/bin
DEVICE = $(GPU)/python -c 'import sys, torch; sys.exit(0 if torch.cuda.is_available() else "lacuna: torch finds no CUDA device here: nothing ran; $(1)")'
# those whose work runs on a CUDA device where there is one
GPU_BENCHES = tests/bench/embed.py tests/bench/full_size.py

# jobs start many processes: where bytecode may not be kept, each spends seconds on compiling torch
unexport PYTHONDONTWRITEBYTECODE

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed-cpu ## make .venv with what `make run` needs (CPU)

$(UV):
	@echo "lacuna: making $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else f"lacuna: Python {sys.version.split()[0]} is not supported; 3.11 to 3.13 are: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.installed-cpu: cluster/requirements-cpu.txt pyproject.toml | $(UV)
	@echo "lacuna: installing cluster/requirements-cpu.txt"
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --require-hashes -r cluster/requirements-cpu.txt
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --editable .
	@touch $@

$(VENV)/.installed-dev: cluster/requirements-dev.txt $(VENV)/.installed-cpu
	@echo "lacuna: installing cluster/requirements-dev.txt"
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --require-hashes -r cluster/requirements-dev.txt
	@touch $@

setup-gpu: $(VENV_GPU)/.installed ## make .venv-gpu with CuPy, cuML, cuVS and torch for CUDA 13, and what the tests need (8 GB)

$(VENV_GPU)/.installed: cluster/requirements-gpu-dev.txt pyproject.toml | $(UV)
	@echo "lacuna: installing cluster/requirements-gpu-dev.txt"
	@$(PYTHON) -m venv $(VENV_GPU)
	@VIRTUAL_ENV=$(VENV_GPU) $(UV) pip install --quiet --require-hashes -r cluster/requirements-gpu-dev.txt
	@VIRTUAL_ENV=$(VENV_GPU) $(UV) pip install --quiet --no-deps --editable .
	@touch $@

run: $(VENV)/.installed-cpu ## the whole pipeline on the toy world, into ROOT (default: lacuna-root)
	@$(BIN)/python -m jobs.paper experiment=toy root=$(ROOT)

test: $(VENV)/.installed-dev ## every test that this machine can run
	@OMP_WAIT_POLICY=PASSIVE OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -m "not gpu and not gpu_free and not long" --numprocesses 3 --dist loadfile --no-loadscope-reorder

run-gpu: $(VENV_GPU)/.installed ## as `make run`, on the machine's CUDA devices
	@$(call DEVICE,make run needs none)
	@$(GPU)/python -m jobs.paper experiment=toy root=$(ROOT)

test-gpu: $(VENV_GPU)/.installed ## the tests that need a CUDA device
	@$(call DEVICE,make test-gpu-free holds what can be held without one)
	@$(GPU)/python -m pytest -m gpu

test-gpu-free: $(VENV_GPU)/.installed ## calls of the GPU libraries against their signatures, kernels by the compiler: needs no device
	@$(GPU)/python -m pytest -m gpu_free tests/gpu_free

test-long: $(VENV)/.installed-dev ## what takes minutes: kills of whole runs, real stores and processes, install lines of the images
	@$(BIN)/python -m pytest -m long

checks: $(VENV)/.installed-dev ## ruff, mypy and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

soak: $(VENV)/.installed-dev ## 300 shards, some at fault or in a store that fails, while actors and nodes are killed at random: at most 10 minutes
	@PYTHONPATH=tests/support:tests/support/rows:tests/support/stores_and_nodes $(BIN)/python tests/chaos/soak.py

bench: $(VENV)/.installed-dev ## measure against the rivals, side by side (not part of `make test`)
	@for bench in $(BENCHES); do echo "== $$bench"; $(BIN)/python $$bench; done

bench-gpu: $(VENV_GPU)/.installed ## the benches whose work runs on a CUDA device
	@$(call DEVICE,make bench runs on the CPU)
	@for bench in $(GPU_BENCHES); do echo "== $$bench"; $(GPU)/python $$bench; done

lock: $(UV) ## compile the requirement files again, to the newest versions allowed
	@$(LOCK) --upgrade --output-file cluster/requirements-cpu.txt
	@$(LOCK) --extra cluster --constraint cluster/requirements-cpu.txt --output-file cluster/requirements-cluster.txt
	@$(LOCK) --extra dev --constraint cluster/requirements-cpu.txt --output-file cluster/requirements-dev.txt
	@$(LOCK) --upgrade --extra gpu --extra cluster --output-file cluster/requirements-gpu.txt
	@$(LOCK) --extra gpu --extra cluster --extra dev --constraint cluster/requirements-gpu.txt --output-file cluster/requirements-gpu-dev.txt

clean: ## remove what was built here, but no data
	@rm -rf $(VENV) $(VENV_GPU) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find jobs tda conf tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help setup setup-gpu run run-gpu test test-gpu test-gpu-free test-long checks soak bench bench-gpu lock clean
