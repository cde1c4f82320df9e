# make demo   sets everything up and does the main job on a small simulated world
# make test   sets everything up and runs every check: lint, types, tests, quick benchmarks, two shares of the catalogue
# Override: make PYTHON=python3.12 VENV=/tmp/venv CONSTRAINTS=/dev/null test
PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
BIN := $(VENV)/bin

# Modules are compiled when first imported: most of those installed never are.
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c $(CONSTRAINTS)
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
QUICK := $(patsubst benchmarks/%.py,quick-%,$(wildcard benchmarks/*.py))

.PHONY: demo test lint types bench-quick catalogue-first catalogue-second $(QUICK) clean

$(VENV)/pyvenv.cfg:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/pyvenv.cfg pyproject.toml $(CONSTRAINTS)
	$(PIP) -e .
	touch $@

# With PyTorch and transformers, for the heads that are networks and for language models.
$(VENV)/.installed: $(VENV)/pyvenv.cfg pyproject.toml $(CONSTRAINTS)
	$(PIP) -e '.[test,lint,heads,lm]'
	touch $@

demo: $(VENV)/.demo
	$(BIN)/python examples/demo.py

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed
	$(BIN)/mypy --num-workers auto src

# One process a core, each with one thread of linear algebra.
test: lint types
	$(ONE_THREAD) $(BIN)/pytest -n auto --dist worksteal
	$(MAKE) -j2 $(if $(filter output-sync,$(.FEATURES)),-Otarget) catalogue-first catalogue-second $(QUICK)

bench-quick: $(QUICK)

$(QUICK): quick-%: $(VENV)/.installed
	@echo "== benchmarks/$*.py --quick"
	@$(ONE_THREAD) $(BIN)/python benchmarks/$*.py --quick

# Each day two more shares of the catalogue in full, two minutes each: their verdicts must be the committed ones.
catalogue-first: TURN = 0
catalogue-second: TURN = 1
catalogue-first catalogue-second: $(VENV)/.installed
	@$(ONE_THREAD) $(BIN)/heedful catalogue run --turn $$(($$(date +%s) / 86400 * 2 + $(TURN))) --check

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache demo-report
