# `make demo` and `make test` set up all they need on a machine with git, make and Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: interop demo test lint fix coverage mutation house bench comparisons fuzz fuzz-atheris stubs pages site constraints test-long \
  test-compose clean

demo: .venv/ready ## a server and five clients on this machine, non-IID digits
	$(BIN)/limbeck-lab demo

FAST := tests/unit tests/property tests/contract tests/integration tests/fuzz
COVER := $(BIN)/python -m pytest -n 2 --cov --cov-report= --cov-fail-under=0

test: .venv/ready lint ## lint, types, import contracts, then every test but the long set; what the fast ones cover
	$(COVER) $(FAST)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not compose and not long" tests/e2e
	$(BIN)/python -m coverage report

coverage: .venv/ready ## the lines that no fast test runs
	$(COVER) $(FAST)
	$(BIN)/python -m coverage report --show-missing

interop: .venv/ready ## a client in JavaScript, for which Node.js 20 and npm are needed, beside clients in Python
	cd tests/interop && npm install --silent --no-package-lock --no-audit --no-fund
	$(BIN)/python tests/interop/run.py

mutation: .venv/ready ## change the core in small ways: which changes do the fast tests notice? ARGS="--module round" for a part of it
	PYTHONPATH="tests:$$PYTHONPATH" $(BIN)/python -m mutation $(ARGS)

house: .venv/ready ## folders, file sizes, words, exceptions to the linter: counted, and held to their bounds
	PYTHONPATH="tests:$$PYTHONPATH" $(BIN)/python -m house

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: .venv/ready ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/ready ## every benchmark, each printing ratios; then each target, held or missed: runs/bench.json
	mkdir -p runs && rm -f runs/bench.lines
	export BENCH_LINES=runs/bench.lines; $(BIN)/python tests/bench/bench_push.py --tls && \
	  for script in tests/bench/bench_*.py; do echo "$$script"; $(BIN)/python $$script || exit 1; done
	$(BIN)/python tests/bench/targets.py runs/bench.lines

COMPARE := $(BIN)/limbeck-lab compare --config tests/bench/mnist.toml --seeds 3

comparisons: .venv/ready ## the tables of methods on MNIST, which LIMBECK_DATA names: two hours of two cores; goes on where it was stopped
	for name in methods large cache two_classes one_class attackers; do \
	  PYTHONPATH="tests:$$PYTHONPATH" $(COMPARE) --variants tests/bench/$$name.toml --clients 10 --target 0.95 --run-dir runs/$$name || exit 1; done
	$(COMPARE) --variants tests/bench/fedgen.toml --clients 20 --target 0.93 --run-dir runs/fedgen

fuzz: .venv/ready ## 100,000 damaged messages and files; MESSAGES=N for another number
	PYTHONPATH="tests:$$PYTHONPATH" $(BIN)/python -m fuzz.fuzz --messages $(or $(MESSAGES),100000)

fuzz-atheris: .venv/ready ## the codec under a coverage-guided fuzzer, three minutes; atheris needs Linux and Python 3.11 to 3.13
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[dev,fuzz]'
	mkdir -p fuzz-finds
	PYTHONPATH="tests:$$PYTHONPATH" $(BIN)/python -m fuzz.atheris_run -max_total_time=$(or $(FUZZ_SECONDS),180) -artifact_prefix=fuzz-finds/

stubs: .venv/ready ## protobuf and gRPC stubs from proto/
	$(BIN)/python proto/make_stubs.py common

pages: .venv/ready ## test vectors, the specification's schema, the methods' page, into proto/ and docs/
	$(BIN)/python proto/make_pages.py proto docs

site: .venv/ready ## the pages as a site, into site/; every link and reference is checked
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "site/index.html"

constraints: .venv/ready ## pin every dependency, for every platform
	$(BIN)/uv pip compile --universal --quiet --upgrade --all-extras --no-header --no-emit-index-url \
	  --python-version 3.11 pyproject.toml --output-file constraints.txt

test-long: .venv/ready ## sixty schedules of faults, and every method killed, each to end with the same bits; a crowd of 500
	$(BIN)/python -m pytest -n 2 --dist worksteal -m long --ignore tests/e2e/test_crowd.py tests/e2e
	$(BIN)/python -m pytest -m long tests/e2e/test_crowd.py

test-compose: .venv/ready ## build the images and bring the compose file up, where a Docker engine answers
	$(BIN)/python -m pytest -rs -m compose tests/e2e/test_compose.py

.venv/ready: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
