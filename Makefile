# `make demo` and `make test` set everything up first. VENV, PYTHON and TORCH_INDEX may be given on the command line:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu     a small CPU build of torch on Linux
VENV ?= .venv
PYTHON ?= python3
TORCH_INDEX ?=
BIN := $(VENV)/bin
DONE := $(VENV)/.installed
# compiled files are kept, whatever the surroundings say: tests start many processes, each of which would compile anew
THREADS := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=
SPREAD := -n 2 --dist loadfile
HASH ?= 0

.PHONY: setup demo test test-all test-slow-quarter check wheel-check docs bench clean

setup: $(DONE)

$(DONE): pyproject.toml requirements/constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --progress-bar off $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) \
		--constraint requirements/constraints.txt torch
	$(BIN)/python -m pip install --quiet --progress-bar off --constraint requirements/constraints.txt --editable '.[dev]'
	touch $(DONE)

demo: setup
	$(BIN)/byrote audit digits

test: setup
	$(THREADS) $(BIN)/python -m pytest $(SPREAD) -m 'not slow'

test-all: setup
	$(THREADS) BYROTE_CHECK=all $(BIN)/python -m pytest $(SPREAD)

# of the slow tests the quarter that HASH chooses, as .ci/run does with a commit's
test-slow-quarter: setup
	$(THREADS) $(BIN)/python -m pytest $(SPREAD) -m slow --slow-quarter '$(HASH)'

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# the wheel alone, without extras and without this folder: a table to its report
wheel-check: setup
	rm -rf $(VENV)-wheel dist
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	$(PYTHON) -m venv $(VENV)-wheel
	$(VENV)-wheel/bin/python -m pip install --quiet --progress-bar off --no-compile \
		$(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) --constraint requirements/constraints.txt torch
	$(VENV)-wheel/bin/python -m pip install --quiet --progress-bar off --no-compile \
		--constraint requirements/constraints.txt dist/*.whl
	$(THREADS) $(VENV)-wheel/bin/python tools/wheel_check.py
	rm -rf $(VENV)-wheel

docs: setup
	$(BIN)/python docs/build_catalog.py
	$(BIN)/python docs/build_api.py
	$(BIN)/python docs/build_gallery.py
	$(BIN)/python -m sphinx -W --keep-going -b html -d docs/_build/doctrees docs docs/_build/html

bench: setup
	$(THREADS) $(BIN)/python benchmarks/ensemble.py
	$(THREADS) $(BIN)/python benchmarks/measures.py
	$(THREADS) $(BIN)/python benchmarks/recorder.py
	$(THREADS) $(BIN)/python benchmarks/attacks.py
	$(THREADS) $(BIN)/python benchmarks/risks.py
	$(THREADS) $(BIN)/python benchmarks/label_errors.py
	$(THREADS) $(BIN)/python benchmarks/issues.py
	$(THREADS) $(BIN)/python benchmarks/few_models.py --quick
	$(THREADS) $(BIN)/python benchmarks/precision.py --quick
	$(THREADS) $(BIN)/python benchmarks/triage.py
	$(THREADS) $(BIN)/python benchmarks/corpus_index.py
	$(THREADS) $(BIN)/python benchmarks/where.py --quick
	$(THREADS) $(BIN)/python benchmarks/report.py
	$(THREADS) $(BIN)/python benchmarks/representations.py --quick
	$(THREADS) $(BIN)/python benchmarks/rewinding.py --quick
	$(THREADS) $(BIN)/python benchmarks/language_models.py --quick
	$(THREADS) $(BIN)/python benchmarks/large_plans.py
	$(THREADS) $(BIN)/python benchmarks/risks.py
	$(BIN)/python -m pip install --quiet --no-deps --target $(VENV)/peers memaudit==0.2.0
	$(THREADS) PYTHONPATH=$(VENV)/peers $(BIN)/python benchmarks/fine_tunes.py
	$(THREADS) $(BIN)/python benchmarks/scale.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
