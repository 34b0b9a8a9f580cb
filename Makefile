# Every target works on a fresh machine: the virtual environment is made when it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
PUBLIC := .venv-public

.PHONY: demo test lint docs report hardware bench-balancing bench-codes bench-conversion bench-coverage bench-evaluation bench-export bench-family bench-goals bench-imagenet bench-int8 bench-learn bench-peers bench-public bench-speed bench-systems sanitize clean

$(VENV)/.installed: pyproject.toml constraints.txt tests/neurobench.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/pip install --quiet --no-deps --requirement tests/neurobench.txt
	touch $@

$(PEERS)/.installed: benchmarks/peers/requirements.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --constraint constraints.txt torch==2.13.0
	$(PEERS)/bin/pip install --quiet --no-deps --requirement benchmarks/peers/requirements.txt
	touch $@

$(PUBLIC)/.installed: benchmarks/public/requirements.txt
	$(PYTHON) -m venv $(PUBLIC)
	$(PUBLIC)/bin/pip install --quiet --no-deps --requirement benchmarks/public/requirements.txt
	touch $@

demo: $(VENV)/.installed  ## train a small network on handwritten digits, convert it, compare
	$(BIN)/canonic demo

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint  ## style, types and all tests
	$(BIN)/pytest

$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

docs: $(VENV)/.docs  ## the documentation as a site: build/site/index.html
	$(BIN)/mkdocs build --strict --quiet

report: $(VENV)/.installed  ## resnet20 on all test pictures as one page: build/report/resnet20.html
	$(BIN)/python -m benchmarks.report

hardware: $(VENV)/.installed  ## the neuron in Verilog beside the integer network, its cells and area: docs/hardware.md; wants iverilog, yosys, qflow-tech-osu018
	$(BIN)/python -m benchmarks.hardware

bench-conversion: $(VENV)/.installed  ## trained CIFAR-10 ResNets against their sources
	$(BIN)/python -m benchmarks.conversion
	$(BIN)/python -m benchmarks.conversion_cost
	$(BIN)/python -m benchmarks.picture

bench-coverage: $(VENV)/.installed $(PEERS)/.installed  ## what converts, and how well; docs/coverage.md
	$(BIN)/python -m benchmarks.coverage --peers $(PEERS)/bin/python --python $(BIN)/python
	$(BIN)/python -m benchmarks.tables

bench-evaluation: $(VENV)/.installed  ## what an evaluation costs, and the figures of docs/energy.md
	$(BIN)/python -m benchmarks.evaluation

bench-export: $(VENV)/.installed $(PEERS)/.installed  ## files of NIR read by numpy and by others: docs/tasks/export.md
	$(BIN)/python -m benchmarks.export --peers $(PEERS)/bin/python
	$(BIN)/python -m benchmarks.export_onnx
	$(BIN)/python -m benchmarks.export_operators

bench-balancing: $(VENV)/.installed $(PEERS)/.installed  ## balanced thresholds beside SpikingJelly's: docs/codes.md; goes on where it was stopped
	$(BIN)/python -m benchmarks.balancing --peers $(PEERS)/bin/python

bench-codes: $(VENV)/.installed  ## networks in every code on the same pictures; docs/codes.md; goes on where it was stopped
	$(BIN)/python -m benchmarks.codes

bench-family: $(VENV)/.installed  ## more levels, other radices, no silent steps: resnet20, docs/how-it-works.md
	$(BIN)/python -m benchmarks.family

bench-goals: $(VENV)/.installed $(PUBLIC)/.installed  ## conversion by goals, on unseen samples; docs/goals.md; goes on where it was stopped
	$(BIN)/python -m benchmarks.goals

bench-imagenet: $(VENV)/.installed $(PUBLIC)/.installed  ## networks of ImageNet on photos; docs/imagenet.md; goes on where it was stopped
	$(BIN)/python -m benchmarks.imagenet.run
	$(BIN)/python -m benchmarks.imagenet.speed
	$(BIN)/python -m benchmarks.imagenet.page

bench-int8: $(VENV)/.installed  ## what whole numbers cost the networks of the operator tests, and the family: docs/how-it-works.md
	$(BIN)/python -m benchmarks.int8
	$(BIN)/python -m benchmarks.int8_family

bench-learn: bench-systems  ## bench-systems, and what the papers claim beside their accuracy; docs/systems.md
	$(BIN)/python -m benchmarks.halves
	$(BIN)/python -m benchmarks.time_constants
	$(BIN)/python -m benchmarks.claims

bench-peers: $(VENV)/.installed $(PEERS)/.installed  ## small networks through other converters; a step of training beside SpikingJelly's; networks exchanged with theirs
	$(BIN)/python -m benchmarks.peers.run $(PEERS)/bin/python
	PYTHONPATH=src $(PEERS)/bin/python -m benchmarks.peers.training --json benchmarks/results/training.json
	PYTHONPATH=src $(PEERS)/bin/python -m benchmarks.peers.interop --json benchmarks/results/interop.json

bench-public: $(VENV)/.installed $(PUBLIC)/.installed  ## trained networks of others; docs/public.md; goes on where it was stopped
	$(BIN)/python -m benchmarks.public.run
	$(BIN)/python -m benchmarks.public.page

bench-speed: $(VENV)/.installed $(PEERS)/.installed  ## how fast, as ratios to the source and its peers; docs/performance.md
	$(BIN)/python -m benchmarks.speed.run --peers $(PEERS)/bin/python
	$(BIN)/python -m benchmarks.speed.page
	$(BIN)/python -m benchmarks.speed.members
	$(BIN)/python -m benchmarks.speed.neurons
	$(BIN)/python -m benchmarks.speed.startup

bench-systems: $(VENV)/.installed  ## trained systems beside the networks of their shapes; docs/systems.md, README.md; goes on where it was stopped; QUICK=--quick in ten minutes
	$(BIN)/python -m benchmarks.learn $(QUICK)

sanitize: $(VENV)/.installed  ## the C programs under AddressSanitizer and UBSan, on networks of odd shapes
	$(BIN)/python -m benchmarks.sanitize

clean:
	rm -rf $(VENV) $(PEERS) $(PUBLIC)
