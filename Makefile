# make demo   sets everything up and does the main job on a small simulated world
# make test   sets everything up and runs every check: lint, types, tests, quick benchmarks
# Override: make PYTHON=python3.12 VENV=/tmp/venv CONSTRAINTS=/dev/null test
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
BIN := $(VENV)/bin

.PHONY: demo test lint types bench-quick catalogue-tenth clean

PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)

$(VENV)/.demo: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

# With PyTorch and transformers, for the heads that are networks and for language models.
$(VENV)/.installed: $(VENV)/.demo
	$(PIP) -e '.[test,lint,heads,lm]'
	touch $@

demo: $(VENV)/.demo
	$(BIN)/python examples/demo.py

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed
	$(BIN)/mypy src

# One worker a core, each with one thread of linear algebra.
test: lint types
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n auto
	$(MAKE) -j2 bench-quick catalogue-tenth

bench-quick: $(VENV)/.installed
	@set -e; for script in benchmarks/*.py; do echo "== $$script --quick"; OMP_NUM_THREADS=1 $(BIN)/python $$script --quick; done

# Each day another tenth of the catalogue in full: its verdicts must be the committed ones.
catalogue-tenth: $(VENV)/.installed
	$(BIN)/heedful catalogue run --tenth $$(date +%-j) --check

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache demo-report
