# Two targets for a fresh Debian 12 machine as root: `make sandbox` and `make test`.
.PHONY: setup sandbox test lint docs screenshots unit integration e2e chaos lab lab-down test-long test-pigsty test-adopt test-upgrade matrix

UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
RUN := $(UV) run --frozen
# The longest first; most of the time they wait for servers. The slowest are named at the end.
PARALLEL := --numprocesses 4 --dist loadgroup --no-loadscope-reorder --durations 25

setup:
	./bootstrap

sandbox: setup
	$(RUN) rollout sandbox

lint: setup
	$(RUN) ruff format --check
	$(RUN) ruff check
	$(RUN) pyright
	$(RUN) lint-imports

# The last line takes engines of a later Debian, others each day: `make test CELL=debian-13`.
test: setup lint
	./bootstrap test
	$(RUN) pytest $(PARALLEL) -m "not long" tests/e2e tests/integration tests/pigsty tests/unit
	$(RUN) python -m tests.matrix.daily $(CELL)

# What takes minutes and a fresh machine has no time for: the same subjects, more of them.
test-long: setup
	./bootstrap test
	$(RUN) pytest -m long tests/e2e tests/integration

docs: setup
	$(RUN) python -m config.reference > docs/keys.md.new
	mv docs/keys.md.new docs/keys.md
	$(RUN) python -m config.compatibility > docs/compatibility.md.new
	mv docs/compatibility.md.new docs/compatibility.md

# The pictures of README and docs, taken anew by the tests that look at the pages.
screenshots: setup
	./bootstrap test
	ROLLOUT_PICTURES=docs/images $(RUN) pytest tests/e2e/test_pictures.py tests/e2e/test_ui.py tests/e2e/test_run_graph.py

unit: setup
	$(RUN) pytest tests/unit

integration: setup
	./bootstrap test
	$(RUN) pytest tests/integration

e2e: setup
	./bootstrap test
	$(RUN) pytest tests/e2e

# A failure and a kill at each step of an upgrade in turn; takes an hour.
test-upgrade: setup
	./bootstrap test
	$(RUN) pytest tests/upgrades

# The same of an adoption of somebody else's Dify; forty minutes.
test-adopt: setup
	./bootstrap test
	$(RUN) pytest tests/adoptions

# What depends on engines, on those of Debian 12, 13 and the next: `make matrix CELLS=debian-13`, and
# README's first command on a bare Debian 13. Writes config/matrix.json, of which `make docs` makes
# docs/compatibility.md. An hour and a half.
matrix: setup
	./bootstrap matrix
	$(RUN) python -m tests.matrix $(CELLS)
	$(RUN) python -m tests.matrix.distribution

# Commands interrupted at that many random moments, the same for the same seed, and every outage.
CHAOS_MOMENTS ?= 100
CHAOS_SEED ?= 379
chaos: setup
	./bootstrap test
	CHAOS_MOMENTS=$(CHAOS_MOMENTS) CHAOS_SEED=$(CHAOS_SEED) $(RUN) pytest tests/integration/faults tests/chaos

# Real Pigsty in a container: `make lab PIGSTY_HOME=/path/to/pigsty` (4.0 or newer), then `make test-pigsty`.
lab:
	@tests/pigsty/lab/given
	./bootstrap
	./bootstrap test
	UV=$(UV) tests/pigsty/lab/up

lab-down:
	tests/pigsty/lab/down

test-pigsty: lab
	tests/pigsty/lab/with $(RUN) pytest tests/pigsty/contract tests/pigsty/lab
