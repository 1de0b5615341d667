# Thin names for real commands. `make help` lists them.
# Each line of a recipe is a shell of its own: macOS has make 3.81, which knows neither .ONESHELL nor .SHELLFLAGS.
SHELL := /bin/bash
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
# The first of these that is Python 3.11; otherwise tools/preflight.py says what to do.
ifndef PYTHON
PYTHON := $(shell for p in $(PY) python3 python3.11 python; do "$$p" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo "$$p" && break; done || true)
PYTHON := $(or $(PYTHON),python3)
endif
# PyTorch's CPU wheels, much smaller on Linux: make site TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
# 0 leaves the answers off the site. A copy that was released for a class has none.
SOLUTIONS ?= $(if $(wildcard solutions),1,0)
# Processes for the tests. Each uses one thread: two busy processes on two cores otherwise slow each other many times over.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$(( n < 8 ? n : 8 )))
PYTEST_ARGS ?=
# 1 fills the matrices (attacks x levels x users, pages x audits, ...), of which an ordinary run takes each row once.
FULL ?= $(FULLSTACK_LLM_FULL)

export FULLSTACK_LLM_FULL := $(FULL)
export OMP_NUM_THREADS ?= 1
export FULLSTACK_LLM_PRESET ?= cpu
export TOKENIZERS_PARALLELISM := false
export HF_HUB_OFFLINE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Runs a command under a name, and says what it took. During `make check` it is also written down, for the tables.
STAGE = @$(PY) tools/seconds.py stage

NEED_PYTHON = command -v $(PYTHON) >/dev/null || { echo "Missing: Python 3.11. Remedy: sudo apt-get install python3.11 python3.11-venv" >&2; exit 1; }

.NOTPARALLEL:
.PHONY: help env nbgrader-env hub-env hub serving-env site check preflight begin end drift lint types labs tests module gpu bench work release new format lock clean force
help:
	@echo "make site                    set up, run every notebook, build the site (SOLUTIONS=0: without the answers)"
	@echo "make work                    copy labs and notebooks into work/, to write in (SLUG=03: module 03 alone)"
	@echo "make release                 a copy without solutions to hand out (KIND=folder, zip or branch; OUT=its name)"
	@echo "make check                   everything that CI runs, and a table of where the seconds went"
	@echo "make check FULL=1            with every cell of the matrices, as in the nightly run"
	@echo "make module SLUG=04_transformer  one module: its notebooks, lab, package tests and pages"
	@echo "make new SLUG=05_pretraining start a module"
	@echo "make gpu                     every notebook with the gpu preset"
	@echo "make bench                   the benchmarks, and the bands of timings in the notebooks; on a quiet machine"
	@echo "make format                  put the code into the course's format"
	@echo "make nbgrader-env            set nbgrader up in $(NBGRADER), which the tests of its gradebook need"
	@echo "make serving-env             set vLLM up in $(SERVING), to be measured beside the course's engine"
	@echo "make hub                     a JupyterHub to try out, on this machine alone; make hub-env sets it up in $(HUB)"
	@echo "make lock                    write requirements.lock from .venv"
	@echo "make clean                   remove what was built (rm -r .venv removes the environment)"
	@echo
	@echo "Options: PYTHON=python3.11  TORCH_INDEX=https://download.pytorch.org/whl/cpu  WORKERS=2  PYTEST_ARGS='-k bpe'"

# ---- the environment

$(VENV)/.ready: requirements.lock requirements-nodeps.lock pyproject.toml
	@$(NEED_PYTHON)
	@$(PYTHON) tools/preflight.py site
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@echo "== environment: some gigabytes the first time"
	@$(PY) -m pip install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' requirements.lock)"
	@$(PY) -m pip install -q -r requirements.lock
	@$(PY) -m pip install -q --no-deps -r requirements-nodeps.lock
	@$(PY) -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

env: $(VENV)/.ready

# nbgrader is no part of the course, and is tested against where it disturbs nothing. What it would bring for its
# pages in JupyterLab is left out, so its dependencies are not asked for.
NBGRADER := .venv-nbgrader

$(NBGRADER)/.ready: requirements-nbgrader.lock
	@$(NEED_PYTHON)
	@$(PYTHON) -m venv $(NBGRADER)
	@$(NBGRADER)/bin/python -m pip install -q --no-deps -r requirements-nbgrader.lock
	@touch $@

nbgrader-env: $(NBGRADER)/.ready

# vLLM, which `python -m benchmarks.serving` measures beside the course's engine. What it would bring for sound and pictures
# is left out, so its dependencies are not asked for..
SERVING := .venv-serving

$(SERVING)/.ready: requirements-serving.lock
	@$(NEED_PYTHON)
	@$(PYTHON) -m venv $(SERVING)
	@$(SERVING)/bin/python -m pip install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$(grep '^torch==' requirements-serving.lock)"
	@$(SERVING)/bin/python -m pip install -q --no-deps -r requirements-serving.lock
	@touch $@

serving-env: $(SERVING)/.ready

# A JupyterHub for one machine. Its kernel has the name that the notebooks ask for, and is the course's environment.
HUB := .venv-hub
HUB_PASSWORD ?= tinytown

$(HUB)/.ready: $(VENV)/.ready requirements-hub.lock deploy/jupyterhub/package-lock.json
	@command -v npm >/dev/null || { echo "Missing: npm and Node 20 or later, for JupyterHub's proxy. Remedy: https://nodejs.org, or sudo apt-get install npm" >&2; exit 1; }
	@$(PYTHON) -m venv $(HUB)
	@$(HUB)/bin/python -m pip install -q --no-deps -r requirements-hub.lock
	@cp deploy/jupyterhub/package.json deploy/jupyterhub/package-lock.json $(HUB)/
	@npm ci --prefix $(HUB) --silent --ignore-scripts --no-audit --no-fund
	@$(PY) -m ipykernel install --prefix $(HUB) --name python3 --display-name "Python 3" >/dev/null
	@touch $@

hub-env: $(HUB)/.ready

hub: hub-env
	@mkdir -p _build/hub
	@echo "http://127.0.0.1:8000, any name, password $(HUB_PASSWORD); Ctrl-C ends it"
	@cd _build/hub && HUB_PASSWORD="$(HUB_PASSWORD)" ../../$(HUB)/bin/jupyterhub --config ../../deploy/jupyterhub/trial.py --log-level WARN

# ---- the site

INPUTS := _config.yml _toc.yml book notebooks solutions labs src tools/seconds.py requirements.lock
# Sphinx warns about a page when it reads it, and only then: after a failure it has to read all of them again.
FORGET = rm -rf _build/.doctrees _build/html/index.html
DIGEST = @$(PY) tools/inputs.py _build/stamps/inputs --value "SOLUTIONS=$(SOLUTIONS)" $(INPUTS)

_build/stamps/inputs: $(VENV)/.ready force
	@$(PY) tools/preflight.py site
	$(DIGEST)

_build/html/index.html: $(VENV)/.ready _build/stamps/inputs
	$(STAGE) "lessons: generate" $(PY) -m fullstack_llm.lessons
	$(DIGEST)
	$(STAGE) "notebooks: execute" $(PY) -m fullstack_llm.lessons.execute
	$(STAGE) "site: build" env SOLUTIONS=$(SOLUTIONS) $(VENV)/bin/jupyter-book build . -W -n --keep-going -q || { $(FORGET); $(PY) tools/preflight.py site; exit 1; }
	@touch $@

site: _build/html/index.html
	@echo
	@echo "The site is in _build/html. Open _build/html/index.html, or serve it: $(PY) -m http.server -d _build/html 8000"

work: $(VENV)/.ready
	@$(PY) -m fullstack_llm.lessons.work $(SLUG)

release: $(VENV)/.ready
	@$(PY) -m fullstack_llm.lessons.release --kind "$(or $(KIND),folder)" $(if $(OUT),--out "$(OUT)")

# ---- the checks: each in turn, pytest last

check: preflight begin drift lint types site labs tests end

begin: $(VENV)/.ready
	@$(PY) tools/seconds.py begin

end:
	@$(PY) tools/seconds.py end

preflight:
	@$(NEED_PYTHON)
	@$(PYTHON) tools/preflight.py check

drift: $(VENV)/.ready
	$(STAGE) "drift: generated lessons" $(PY) -m fullstack_llm.lessons --check

lint: $(VENV)/.ready
	$(STAGE) "ruff check" $(PY) -m ruff check --quiet .
	$(STAGE) "ruff format" $(PY) -m ruff format --check --quiet .

types: $(VENV)/.ready
	$(STAGE) "mypy" $(PY) -m mypy
	$(STAGE) "mypy: tools" $(PY) -m mypy tools

# The full run also opens the first notebook of each module as a reader's Jupyter does.
PLAIN = $(if $(filter 1,$(FULL)),$(shell ls notebooks/*.ipynb | awk -F/ '!seen[substr($$2, 1, 2)]++'))

labs: $(VENV)/.ready
	$(STAGE) "labs: as they are handed out" $(PY) -m pytest -q --nbval-lax -p no:cacheprovider labs $(PLAIN)

tests: $(VENV)/.ready $(if $(CI),nbgrader-env $(if $(filter 1,$(FULL)),hub-env))
	$(STAGE) "pytest" $(PY) -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder --durations=40 $(PYTEST_ARGS)

# ---- the rest

module: $(VENV)/.ready
	@$(PY) tools/modules.py "$(SLUG)"

gpu: $(VENV)/.ready
	@$(PY) tools/preflight.py gpu
	@FULLSTACK_LLM_PRESET=gpu $(PY) -m fullstack_llm.lessons.execute

bench: $(VENV)/.ready
	@set -e; for file in $(filter-out benchmarks/recording.py,$(wildcard benchmarks/*.py)); do name=$$(basename "$$file" .py); echo "== $$name"; $(PY) -m "benchmarks.$$name"; done
	@echo "== the bands of timings in the notebooks"
	@FULLSTACK_LLM_BENCHMARK=1 $(PY) -m fullstack_llm.lessons.execute --workers 1

new: $(VENV)/.ready
	@$(PY) tools/new_module.py "$(SLUG)"

format: $(VENV)/.ready
	$(PY) -m ruff check --fix --quiet .
	$(PY) -m ruff format --quiet .

lock: $(VENV)/.ready
	$(PY) tools/lock.py

clean:
	rm -rf _build .mypy_cache .pytest_cache .ruff_cache .hypothesis
