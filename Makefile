# The two commands of a new user are `make fuse` and `make test`; each sets up what it needs.

PYTHON ?= python3
VENV ?= .venv
OUT ?= fused
ARGS ?=
RUN = $(VENV)/bin/python

# The extras of pyproject.toml; with an NVIDIA GPU also the CUDA build of JAX, which is much larger.
comma := ,
EXTRAS := dev$(if $(shell nvidia-smi -L 2>/dev/null),$(comma)cuda12)
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check
# The engine is built with the JAX that is installed, not with another one in an environment of pip's.
EDITABLE = --no-build-isolation --editable

.DEFAULT_GOAL := help
.PHONY: help fuse paired import weighed downstream test lint docs dist-check clean

help:
	@echo "make fuse                                       fuse the samples that are shipped, into OUT=fused"
	@echo "make fuse I1=visible/ I2=infrared/              fuse your images; CKPT=ckpt/ with other weights,"
	@echo "                                                more options in ARGS, such as ARGS='--color grey -v'"
	@echo "make import WEIGHTS=FNet.pth                    make ckpt/ of the authors' weights"
	@echo "make test                                       check the code"
	@echo "make docs                                       build the documentation as a site, into site/"
	@echo "make dist-check                                 build the wheel and the sdist into dist/ and try them"
	@echo "make downstream                                 set up the programs of eval.detect and eval.segment"
	@echo "make clean                                      remove the virtual environments and what was built"

fuse: paired $(VENV)/ready $(VENV)/engine
	$(RUN) -m eval.fuse $(if $(CKPT),--ckpt "$(CKPT)") $(IMAGES) --out "$(OUT)" $(ARGS)

IMAGES = $(if $(I1),--i1 "$(I1)" --i2 "$(I2)",--samples --sheet "$(OUT)/sheet.png" --overwrite)

# Before the virtual environment is made, which takes minutes.
paired:
	@if [ "$(if $(I1),1)" != "$(if $(I2),1)" ]; then \
	  echo "make fuse needs both images: make fuse I1=visible.png I2=infrared.png     (files or folders)"; \
	  exit 2; \
	fi

import: weighed $(VENV)/ready
	$(RUN) -m eval.import_official --weights "$(WEIGHTS)" --out ckpt/

weighed:
	@test -f "$(WEIGHTS)" || { echo "make import needs a file: make import WEIGHTS=FNet.pth"; exit 2; }

# The programs that eval.detect and eval.segment call live apart: they are large, and one is AGPL.
downstream: $(VENV)-downstream/ready

$(VENV)-downstream/ready: requirements-downstream.txt
	$(PYTHON) -m venv $(VENV)-downstream
	$(VENV)-downstream/bin/python $(PIP_INSTALL) -r requirements-downstream.txt
	@touch $@

test: lint $(VENV)/engine
	$(RUN) -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/ready
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

# The tutorials are run; DOCS_EXECUTE=false leaves that out. (The warning is an advertisement.)
docs: $(VENV)/ready
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict

# Built in a clean environment, and tried with every Python of pyproject.toml that is on PATH.
dist-check:
	$(PYTHON) tests/installed.py --out dist $(ARGS)

$(VENV)/ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "Python's venv module is needed (on Debian: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) $(PIP_INSTALL) --upgrade setuptools jax
	$(RUN) $(PIP_INSTALL) $(EDITABLE) '.[$(EXTRAS)]'
	@touch $@

# The compiled engine for CPUs; without a C++ compiler everything works, on XLA alone.
$(VENV)/engine: $(VENV)/ready setup.py $(wildcard fnet_jax/sparse_coding/native/*.h fnet_jax/sparse_coding/native/*.cpp)
	@if command -v c++ >/dev/null; then \
	  echo "building the engine for CPUs (seconds)"; $(RUN) setup.py --quiet build_ext --inplace; \
	else echo "no C++ compiler: fusing on a CPU will take three times as long (on Debian: apt install g++)"; fi
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-downstream build dist site *.egg-info fnet_jax/sparse_coding/native/*.so
