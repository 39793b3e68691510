# One command each, on a fresh machine: Python 3.11 or newer with its venv module, and nothing else.
# Each stamp file inside .venv says that an install was done; setup.cfg or pyproject.toml newer than it: done again.

PYTHON ?= python3
IN_VENV := .venv/bin/python
# The least that setup.cfg asks for; newer pyparsing warns of what the oldest matplotlib does.
OLDEST := numpy==2.2.0 scipy==1.15.0 matplotlib==3.10.0 pyparsing==3.1.4
PIP := $(IN_VENV) -m pip --disable-pip-version-check

comma := ,

.DEFAULT_GOAL := help
.PHONY: help more .venv report test test-oldest coverage browser foreign notebook course docs site everything reading hooks lint soak soak-exact defend play bench bench-proofs bench-shares bench-memory bench-outside check-proofs mutants wheel clean
.DELETE_ON_ERROR:

help:
	@echo "make report     train a network, turn a four into a nine, write report/index.html"
	@echo "make test       run the tests"
	@echo "make notebook   run notebooks/companion.ipynb, the student's path with exercises, from scratch"
	@echo "make course     make what a class is given: the homework, the wheel it runs on, nbgrader's source, in dist/"
	@echo "make docs       build the guide and a page for each module: build/docs/index.html"
	@echo "make lint       ruff and mypy"
	@echo
	@echo "make more       the other commands, and options"

more:
	@echo "make coverage       make test, and which lines and branches it runs (fails below 97%)"
	@echo "make test-oldest    make test with the oldest NumPy, SciPy and matplotlib that setup.cfg allows"
	@echo "make browser        from then on make test also tries the pages in a Chromium, if there is one"
	@echo "make foreign        install torch, scikit-learn and onnx: make test then also converts their networks"
	@echo "make site           make docs, with the gallery's figures and the report inside: build/docs, for any static host"
	@echo "make reading        bring the line counts in docs/read-the-code.md up to date"
	@echo "make hooks          ruff and the import rules before each commit (.pre-commit-config.yaml)"
	@echo "make soak           10,000 proofs of random networks against the truth, a hundred kills, tests with new examples"
	@echo "make soak-exact     20,000 proofs where floats break, against the truth in rational numbers (an hour)"
	@echo "make mutants        put 400 small faults into the code: do the tests notice? (takes about 20 minutes)"
	@echo "make defend         train the four networks of attacks/defend/nets anew and compare them (half an hour)"
	@echo "make play           train the two ten-digit networks of the page to play with, and prove its images anew (half an hour)"
	@echo "make bench          speed, beside the peers that are installed (tests/benchmarks/peers.md)"
	@echo "make bench-shares   which share of the time of five functions is their matrix products"
	@echo "make bench-proofs   how many images are certified in which time (takes about an hour)"
	@echo "make check-proofs   proofs of 50 or 100 images a row, two networks in each norm, checked by attacks/checker.py alone (takes about half an hour)"
	@echo "make bench-outside  networks of others: make bench-outside OUTSIDE=folder ARGS='--row queries'"
	@echo "make bench-memory   how much memory 60,000 images take"
	@echo "make wheel          build dist/*.whl"
	@echo "make everything     install all that the commands above need, at once"
	@echo "make .venv          only the virtual environment that the others use"
	@echo "make clean          remove all that these commands made"
	@echo
	@echo "Options of the report:   make report ARGS='--digits 3 8'     of the tests:   make test ARGS='-k saliency'"
	@echo "Keep the notebook's outputs:   make notebook ARGS=--save     another Python:   make PYTHON=python3.12 ..."

.venv: .venv/made

.venv/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    || { echo "$(PYTHON) is not Python 3.11 or newer: install one, or name it: make PYTHON=/path/to/python3 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo "$(PYTHON) comes without its venv module: install it first (Debian and Ubuntu: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv --clear .venv
	@touch $@

.venv/run: .venv/made setup.cfg pyproject.toml
	$(PIP) install --quiet --editable .
	@touch $@

.venv/test .venv/notebook .venv/docs .venv/foreign: .venv/%: .venv/made setup.cfg pyproject.toml
	$(PIP) install --quiet --editable ".[$*]"
	@touch .venv/run $@

.venv/dev: .venv/made setup.cfg pyproject.toml
	$(PIP) install --quiet --editable ".[dev]"
	@touch .venv/run .venv/test $@

# All at once, where several are wanted: pip looks for what fits together once, and not once for each.
EXTRAS := dev,docs,notebook,browser
everything: .venv/made
	$(PIP) install --quiet --editable ".[$(EXTRAS)]"
	@touch .venv/run .venv/test $(patsubst %,.venv/%,$(subst $(comma), ,$(EXTRAS)))

.venv/browser: .venv/test
	$(PIP) install --quiet --editable ".[test,browser]"
	@touch $@

report: .venv/run
	$(IN_VENV) -m attacks --out report $(ARGS)

test: .venv/test
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(IN_VENV) -m pytest --numprocesses auto --dist worksteal $(ARGS)

.venv-oldest/test: setup.cfg
	$(PYTHON) -m venv --clear .venv-oldest
	.venv-oldest/bin/python -m pip --disable-pip-version-check install --quiet $(OLDEST) --editable ".[test]"
	@touch $@

test-oldest: .venv-oldest/test
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 .venv-oldest/bin/python -m pytest --numprocesses auto --dist worksteal $(ARGS)

coverage: .venv/dev
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(IN_VENV) -m pytest --numprocesses auto --dist worksteal --cov --cov-report=term-missing:skip-covered $(ARGS)

browser: .venv/browser

foreign: .venv/foreign

notebook: .venv/notebook
	$(IN_VENV) notebooks/execute.py $(ARGS)

course: wheel
	$(IN_VENV) notebooks/course.py --hand-out dist $(ARGS)

docs: .venv/docs
	$(IN_VENV) docs/build.py $(ARGS)

site: .venv/docs
	$(IN_VENV) docs/build.py --site $(ARGS)

reading: .venv/made
	$(IN_VENV) docs/reading.py

hooks: .venv/dev
	$(IN_VENV) -m pre_commit install

lint: .venv/dev
	$(IN_VENV) -m ruff check .
	$(IN_VENV) -m mypy

soak-exact: .venv/test
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(IN_VENV) -W ignore tests/robustness/soak_exact.py $(ARGS)
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(IN_VENV) -W ignore tests/robustness/soak_smooth.py

soak: .venv/test
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(IN_VENV) tests/robustness/soak.py $(ARGS)
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(IN_VENV) tests/robustness/soak_sets.py
	$(IN_VENV) tests/robustness/killing.py
	HYPOTHESIS_PROFILE=new OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(IN_VENV) -m pytest --numprocesses auto --dist worksteal

defend: .venv/run
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(IN_VENV) tests/benchmarks/defend.py $(ARGS)

play: .venv/run
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(IN_VENV) tests/benchmarks/play_nets.py $(ARGS)

bench: .venv/run
	$(IN_VENV) tests/benchmarks/bench.py $(ARGS)

bench-proofs: .venv/run
	$(IN_VENV) tests/benchmarks/proofs.py $(ARGS)

check-proofs: .venv/run
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(IN_VENV) tests/benchmarks/check_proofs.py $(ARGS)

mutants: .venv/dev
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(IN_VENV) tests/benchmarks/mutants.py $(ARGS)

bench-shares: .venv/run
	$(IN_VENV) tests/benchmarks/shares.py

bench-outside: .venv/test
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(IN_VENV) tests/benchmarks/outside.py $(OUTSIDE) $(ARGS)

bench-memory: .venv/run
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(IN_VENV) tests/benchmarks/memory.py $(ARGS)

wheel: .venv/made
	rm -rf build/lib build/bdist.* dist
	$(PIP) wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf .venv .venv-oldest build dist report mutants *.egg-info .hypothesis .pytest_cache .ruff_cache .mypy_cache
	find minigrad attacks data tests -name __pycache__ -type d -prune -exec rm -rf {} +
