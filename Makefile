# Two targets for newcomers: `make demo` runs the whole job, `make test` checks everything. `make docs` builds site/.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint types contracts docs clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable . 
	touch $@

$(VENV)/.developed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --group dev
	touch $@

demo: $(VENV)/.installed
	$(BIN)/comitia demo

lint: $(VENV)/.developed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.developed
	$(BIN)/mypy

contracts: $(VENV)/.developed
	$(BIN)/lint-imports

test: lint types contracts
	$(BIN)/pytest

docs: $(VENV)/.developed
	$(BIN)/python tools/paper_map.py
	$(BIN)/python tools/reference.py
	$(BIN)/python -m pip install --quiet --group docs
	$(BIN)/mkdocs build --quiet

clean:
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis
