# The two commands: `make book` and `make test`. Each first makes $(VENV) and installs into it, if that is still to do.

PYTHON      ?= python3
VENV        ?= .venv
TORCH_INDEX ?=
JOBS        ?= 2
PYTEST_ARGS ?=

BIN       := $(VENV)/bin
STAMP     := $(VENV)/.installed
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
SPREAD     = -n $(JOBS) --dist loadfile --no-loadscope-reorder
PIP        = $(BIN)/python -m pip --disable-pip-version-check

export JUPYTER_PLATFORM_DIRS := 1
export PYDEVD_DISABLE_FILE_VALIDATION := 1
# glibc gives memory back and asks for it again with every tensor; kept, it saves networks an eighth of their time.
export MALLOC_MMAP_THRESHOLD_ := 33554432
export MALLOC_TRIM_THRESHOLD_ := 1073741824

.DEFAULT_GOAL := help
.PHONY: help install book runtime course slides figures print launch announce test test-avx2 coverage gpu-check lab lint format check-site lock clean

help:
	@echo "make book        install, run every notebook, build _build/html (open _build/html/index.html)"
	@echo "make course      notebooks of exercises, for students, instructors and nbgrader, in _build/course"
	@echo "make slides      slides of each chapter of the built book, in _build/html/slides, made without a network"
	@echo "make figures     every figure at print size, with caption and license, in _build/figures; runs the chapters"
	@echo "make print       the built book as one page and, where there is a Chromium, as a PDF, in _build/print"
	@echo "make launch REPOSITORY=https://github.com/me/my-book    buttons for Binder and Colab on every chapter"
	@echo "make test        install, run the tests                (PYTEST_ARGS='-k walk' passes options on)"
	@echo "make test-avx2   all tests but the slow ones, as on a processor without AVX-512 and bfloat16"
	@echo "make lab         install, open JupyterLab on the notebooks"
	@echo "make coverage    all tests, and which lines of the package they leave out"
	@echo "make gpu-check   on a machine with a GPU, minutes: device tests, speed, accuracy, one chapter; installs nothing,"
	@echo "                 uses PYTHON as it is; results in benchmarks/results/gpu_check.json"
	@echo "make lint        check code and notebooks: ruff, types (mypy), and that no notebook stores outputs"
	@echo "make format      let ruff and nbstripout put right what they can"
	@echo "make check-site  test the built book: alt texts, links, widths, nothing fetched from elsewhere"
	@echo "make lock        resolve the newest allowed versions and write requirements.lock"
	@echo "make clean       remove the built book and all caches  (VENV is kept: rm -r $(VENV))"
	@echo
	@echo "PYTHON=python3.12   the interpreter to make $(VENV) with (3.11 or newer; now: $(PYTHON))"
	@echo "JOBS=4              test processes (0: all tests in one process; now: $(JOBS))"
	@echo "TORCH_INDEX=URL     where else to look for torch, for another build than PyPI's, such as"
	@echo "                    https://download.pytorch.org/whl/cpu    no CUDA packages, a much smaller download"
	@echo "                    https://download.pytorch.org/whl/cu126  another CUDA version"

install: $(STAMP) runtime

# A second call does nothing until the ranges or the lock change. Python compiles what is imported when it is: to compile
# all 19,500 modules here took a minute and a half.
$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not that. Name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --no-compile --requirement requirements.lock $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	rm -rf *.egg-info  # of an earlier build: from here, Python would read it instead of what is installed
	$(PIP) install --no-deps --editable .
	@touch $@

# Warnings are errors, missing references too; but only once all pages are built.
book: announce $(STAMP) runtime
	@rm -f _build/failures.txt
	@$(BIN)/jupyter-book build . -n -W --keep-going || { \
	  if [ -f _build/failures.txt ]; then cat _build/failures.txt >&2; fi; exit 1; }
	@echo "Done. Open $(CURDIR)/_build/html/index.html"

# What runs networks in a page; where it cannot be had, the book is built without.
runtime: $(STAMP)
	@$(BIN)/python book/get_runtime.py

course: $(STAMP)
	$(BIN)/python book/make_course.py

figures: $(STAMP)
	$(BIN)/python book/make_figures.py

launch: $(STAMP)
	@test -n "$(REPOSITORY)" || { echo "Name the address: make launch REPOSITORY=https://github.com/me/my-book" >&2; exit 1; }
	$(BIN)/python book/make_launch.py $(REPOSITORY)

slides print: $(STAMP)
	@test -f _build/html/index.html || { echo "There is no built book yet: make book" >&2; exit 1; }
	$(BIN)/python book/make_$@.py

announce:
	@$(PYTHON) book/costs.py 2>/dev/null || true

test: $(STAMP)
	$(BIN)/python -m pytest -m "not site" $(SPREAD) $(PYTEST_ARGS)

# The same processor, held back to what most laptops have: AVX2, neither AVX-512 nor bfloat16.
test-avx2: export ONEDNN_MAX_CPU_ISA := AVX2
test-avx2: export ATEN_CPU_CAPABILITY := avx2
test-avx2: export OPENBLAS_CORETYPE := Haswell
test-avx2: export NPY_DISABLE_CPU_FEATURES := X86_V4 AVX512_ICL AVX512_SPR
test-avx2: $(STAMP)
	$(BIN)/python -m pytest -m "not site and not slow" $(SPREAD) $(PYTEST_ARGS)

coverage: $(STAMP)
	$(BIN)/python -m pytest -m "not site" $(SPREAD) --cov=ood_helpers --cov-report=term:skip-covered $(PYTEST_ARGS)

gpu-check:
	$(PYTHON) benchmarks/gpu_check.py

lab: $(STAMP)
	$(BIN)/jupyter-lab --notebook-dir=. --LabApp.default_url="/lab/tree/notebooks/README.md?factory=Markdown%20Preview"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(if $(NOTEBOOKS),$(BIN)/nbstripout --verify $(NOTEBOOKS))

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(if $(NOTEBOOKS),$(BIN)/nbstripout $(NOTEBOOKS))

check-site: $(STAMP)
	@test -f _build/html/index.html || { echo "There is no built book yet: make book" >&2; exit 1; }
	$(BIN)/python -m pytest -m site tests/book $(PYTEST_ARGS)

# From a clean environment. Left out: the local part of a version (+cpu), and what comes along with a CUDA torch, since
# both depend on the machine. LOCK_WITH='torch==2.13.0' asks for certain versions.
lock:
	rm -rf $(VENV)-lock
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install $(LOCK_WITH) ".[book,test]" $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	{ echo "# The exact versions that the book is built and tested with, by 'make lock'."; \
	  $(VENV)-lock/bin/python -m pip freeze --all --exclude pip --exclude ood-helpers | sed 's/+[A-Za-z0-9.]*$$//' | grep -Ev '^(nvidia|cuda|triton)'; \
	} > requirements.lock.new
	mv requirements.lock.new requirements.lock
	rm -rf $(VENV)-lock

clean:
	rm -rf _build .pytest_cache .ruff_cache .hypothesis build *.egg-info
	find . -path '*/.venv*' -prune -o \( -name __pycache__ -o -name .ipynb_checkpoints \) -prune -exec rm -rf {} +
