# Everything starts from `make demo` and `make test`; both make .venv and install what they need.
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := spg_dist cache tuning jobs

# Several tests at a time, each file in one process: tests of one file share what they start.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

.PHONY: demo tune-demo test test-fast test-faults lint types pytest bench pretrain clean

demo: .venv/.installed
	$(BIN)/python jobs/demo.py $(ARGS)

tune-demo: .venv/.installed
	$(BIN)/python jobs/tune_demo.py $(ARGS)

test: lint types pytest

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/.installed-dev
	$(BIN)/mypy

pytest: .venv/.installed-dev
	$(PYTEST) -m "not faults" $(ARGS)

# What takes longest: kills by the hundred, other processors and devices, a sweep as a job, a million rows.
test-faults: .venv/.installed-dev
	$(PYTEST) -m faults $(ARGS)

# For people at work on the code: no Ray, no jobs in processes of their own, no kills.
test-fast: .venv/.installed-dev
	$(PYTEST) -m "not slow and not patient and not faults" $(ARGS)

# Every claim of speed, measured here and now, in one table (some need 3 GB of disk); ARGS="encode stage2" measures some.
bench: .venv/.installed
	$(BIN)/python -m benchmarks $(ARGS)

# Train the embedded CLIP anew and replace the weights that are shipped.
pretrain: .venv/.installed
	$(BIN)/python -m spg_dist.embedded.pretrain

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "spg-dist needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Give another: make PYTHON=python3.11" >&2; exit 2; }
	$(PYTHON) -m venv .venv

# torch and torchvision come from the same index in one resolution: builds from different sources do not work together.
.venv/.installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "installing into .venv (several GB, some minutes) ..."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/.installed-dev: .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@

clean:
	rm -rf .venv *.egg-info .mypy_cache .pytest_cache .ruff_cache
