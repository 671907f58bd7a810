# The two commands of this project: `make demo` and `make test`. Each makes its own environment in .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP     = $(BIN)/python -m pip install --quiet --constraint constraints.txt
PROMPT ?= a red heart, flat style
SOUND  ?= a deep kick drum

.PHONY: demo edit test lint format tables benchmarks clean

demo: $(VENV)/.installed
	$(BIN)/nodeflow run graphs/text-to-image.json --set prompt="$(PROMPT)" --out out
	$(BIN)/nodeflow run graphs/text-to-sound.json --set prompt="$(SOUND)" --out out

edit: $(VENV)/.editor
	$(BIN)/nodeflow edit

test: export HF_HUB_OFFLINE = 1
test: export OMP_NUM_THREADS = 1
test: export QT_QPA_PLATFORM = offscreen
test: lint
	$(BIN)/python -m pytest -n 2 $(PYTEST)

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(VENV)/.tested
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The options of the scheduler classes as data; after a change of a class or an option.
tables: $(VENV)/.installed
	$(BIN)/python -m nodeflow.diffusion.schedulers.options

benchmarks: $(VENV)/.tested
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) out dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# An empty file marks each finished installation; a changed requirement makes it again.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	touch $@

$(VENV)/.editor: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable ".[editor]"
	touch $@ $(VENV)/.installed

$(VENV)/.tested: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable ".[test,editor]"
	touch $@ $(VENV)/.installed $(VENV)/.editor

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("nodeflow needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
