# make setup | reproduce | report | test | bench | train: each sets up first if need be. VENV, PYTHON,
# WORKERS of `reproduce` (notebooks at a time, 2 GB each) and MODEL of `train` may be given.
VENV ?= .venv
PYTHON ?= python3
MODEL ?= mini
WORKERS ?= 2
RUN = $(VENV)/bin/python -m nib_utils run
READY = $(VENV)/.ready

.PHONY: setup reproduce report test bench train clean
.DELETE_ON_ERROR:

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[all]'
	@$(VENV)/bin/python -m compileall -qq -j 0 -x 'site-packages/.*/tests?/' $(VENV)/lib || true  # on all cores; pip does it on one
	@touch $@

reproduce: $(READY)
	$(RUN) all --workers $(WORKERS)

report: $(READY)
	$(RUN) report

test: $(READY)
	$(VENV)/bin/python -m ruff check --quiet nib_utils tests notebooks
	$(VENV)/bin/python -m pytest -n auto --dist worksteal

bench: $(READY)
	$(RUN) speed

train: $(READY)
	$(RUN) train_mini --model $(MODEL)
	[ -n "$(filter-out 0 no false off,$(FAST))" ] || cp results/train_mini/$(MODEL)/$(MODEL).safetensors data/

clean:
	rm -rf $(VENV) runs .pytest_cache .ruff_cache
