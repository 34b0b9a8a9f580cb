# Every target works on a fresh machine: the virtual environment is made when it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench-conversion clean

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(VENV)/.installed  ## train a small network on handwritten digits, convert it, compare
	$(BIN)/canonic demo

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint  ## style, types and all tests
	$(BIN)/pytest

bench-conversion: $(VENV)/.installed  ## trained CIFAR-10 ResNets against their sources
	$(BIN)/python -m benchmarks.conversion
	$(BIN)/python -m benchmarks.picture

clean:
	rm -rf $(VENV)
