# Every target builds its own Python environment in .venv first: what running needs, for tests and the site more.
PYTHON ?= python3
DATASET ?= digits
STORE ?= results
DEMO := $(if $(filter digits,$(DATASET)),demo,demo-$(DATASET))
BIN := .venv/bin
# Without compiling: Python compiles what it imports, which is a tenth of what is installed.
INSTALL := $(BIN)/pip install --quiet --no-compile --constraint constraints.txt
SITE ?= docs/_site

.PHONY: demo docs gallery screenshot test check faults faults-slurm bench bench-large gpu cluster clean

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed: make PYTHON=python3.11"'
	$(PYTHON) -m venv .venv
	$(INSTALL) --editable .
	touch $@

.venv/ready-dev: .venv/ready
	$(INSTALL) --editable '.[dev]'
	touch $@

# The main job on embedded data: plan, train, choose strengths, figures, report. DATASET=mnist where its files are.
demo: .venv/ready
	$(BIN)/regularize submit examples/demo.yaml --cluster local --store $(STORE) \
	  $(if $(filter demo,$(DEMO)),,--set 'dataset={$(DATASET): {per_class: 20}}' --set name=$(DEMO))
	$(BIN)/regularize report $(STORE)/$(DEMO) --tables-only
	@printf '%s\n' '' 'To go on:' \
	  '  source .venv/bin/activate              # once in each terminal' \
	  '  regularize status $(STORE)/$(DEMO)         # the runs; watch shows them in the terminal' \
	  '  regularize compare $(STORE)/$(DEMO)        # conclusions' \
	  '  regularize init my-sweep               # a sweep of your own: my-sweep.yaml'

# The site of docs/, in docs/_site: strict, so that a dead link or a key that nobody describes ends it.
docs: .venv/ready-dev
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --nitpicky -b html -d $(SITE)/.doctrees docs $(SITE)

# docs/gallery.md: every figure of the sweep whose folder is FROM; unless given, that of examples/gallery.yaml is trained.
gallery: .venv/ready
	$(if $(FROM),,$(BIN)/regularize submit examples/gallery.yaml --store $(STORE))
	rm -rf docs/gallery
	$(BIN)/regularize gallery $(or $(FROM),$(STORE)/gallery) --out docs

test: check
	$(BIN)/pytest -n auto --dist loadfile

check: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# N faults on purpose and 300 flipped bits, each healed and compared; as root, for full disks. About 2 s a fault.
# Goes on with what faults.jsonl has not.
N ?= 100
faults: .venv/ready-dev
	$(BIN)/python -m tests.faults $(N)

# N faults of Slurm on the throwaway cluster, as root; goes on with what faults-slurm.jsonl has not.
faults-slurm: .venv/ready-dev
	$(BIN)/python -m tests.faults.slurm_campaign $(N)

bench: .venv/ready-dev
	$(BIN)/python -m tests.benchmarks

# What `bench` shows of 10,000 runs, of the 100,000 that the limits are of: half an hour of two cores.
bench-large: .venv/ready-dev
	$(BIN)/python -m tests.benchmarks.bench_growth --runs 100 1000 10000 100000
	$(BIN)/python -m tests.benchmarks.bench_watch --runs 100000

# On a GPU, in eight minutes: the three equalities, speed and memory against R; gpu.json. Without one it says so.
gpu: .venv/ready-dev
	$(BIN)/python -m tests.gpu

# The picture of `regularize watch` in docs/watching.md, from a sweep that nobody trained.
screenshot: .venv/ready-dev
	$(BIN)/python -m tests.jobs.watch.screenshot docs/images/watch.svg

# A shell on a throwaway Slurm of four nodes on this machine; as root.
cluster: .venv/ready-dev
	@$(BIN)/python -m tests.cluster

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
