# Two commands for a newcomer: `make demo` and `make test`. Both set up an environment of their own in .venv, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := build/demo
SIZE ?= 1500
INSTALLER ?= uv
JOBS ?= 2

# uv does not read pip's find-links, where some machines keep a CPU build of torch.
export UV_FIND_LINKS ?= $(shell for d in $$PIP_FIND_LINKS $$($(PYTHON) -m pip config get global.find-links 2>/dev/null); do \
	[ -d "$$d" ] && echo "$$d"; done | sort -u | paste -sd,)
ifeq ($(UV_FIND_LINKS),)
unexport UV_FIND_LINKS
endif
ifeq ($(INSTALLER),uv)
INSTALL := $(BIN)/uv pip install --quiet
else
INSTALL := $(BIN)/python -m pip install --quiet
endif
export NO_ALBUMENTATIONS_UPDATE = 1
export RAY_USAGE_STATS_ENABLED = 0

.PHONY: help setup demo test check format gate bench-% clean

help:  ## what can be made
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

setup: $(VENV)/.complete  ## the environment, from requirements.txt
	@echo "environment: $(VENV) is up to date"

# requirements.txt is the whole closure, so nothing is resolved again; torch comes first, with whatever its build needs.
$(VENV)/.complete: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' || { echo "pairpool needs Python 3.11 or 3.12 \
	(img2dataset needs imghdr, which 3.13 removed). Say which with make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if [ "$(INSTALLER)" = uv ]; then $(BIN)/python -m pip install --quiet uv; fi
	@echo "environment: installing into $(VENV) with $(INSTALLER)"
	@$(INSTALL) $$(grep '^torch==' requirements.txt)
	@grep -v '^torch==' requirements.txt > $(VENV)/rest.txt && $(INSTALL) --no-deps -r $(VENV)/rest.txt
	@$(INSTALL) --no-deps --editable .
	@$(BIN)/python -m curation.torchvision_cpu
	@touch $@

demo: setup  ## run the whole pipeline on a real pool, on Ray, and say where the report is
	@$(BIN)/python -m workflows.demo.run --out $(DEMO) --size $(SIZE) $(if $(FULL),--full)

# Without groups, loadgroup deals tests out one by one and in order; `load` would in chunks, and end with the slowest.
test: setup check  ## the whole test suite, in JOBS processes
	@$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadgroup --no-loadscope-reorder --durations=8

check: setup  ## style, types and the direction of imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache

format: setup  ## let ruff write the style
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench-%: setup  ## one claim against its peer, e.g. make bench-balance
	@$(BIN)/python -m benchmarks.$*

gate: setup  ## the shards read by every reader, each in an environment of its own; clones two repositories
	@$(BIN)/python -m benchmarks.gate $(if $(DATACOMP),--datacomp $(DATACOMP)) $(if $(OPEN_CLIP),--open-clip $(OPEN_CLIP))

lock: $(VENV)/.complete  ## resolve requirements.txt anew from pyproject.toml
	@$(BIN)/uv pip compile pyproject.toml --extra demo --extra dev --python-version 3.11 --quiet --no-header --no-annotate \
		--no-emit-find-links --no-emit-index-url | sed 's/+cpu$$//' > requirements.txt

clean:  ## remove everything that was built, the environment included
	rm -rf build $(VENV)
