.DEFAULT_GOAL := help
.PHONY: help run test check e2e e2e-up e2e-down bench clean format crds dashboard pictures

PYTHON ?= python3
VENV := .venv
TESTS ?= e2e
BIN := $(VENV)/bin
READY := $(VENV)/.ready

help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  \033[1m%-9s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# uv links packages from its cache outside the checkout: a second checkout installs in seconds.
$(READY): pyproject.toml constraints.txt
	@echo "Installing into $(VENV) (the first time this takes a few minutes: PyTorch is large)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'
	@touch $@

run: $(READY) ## Train eight networks on real data; the report is runs/digits/report.html
	$(BIN)/population run examples/digits/experiment.yaml --output runs/digits

test: $(READY) ## Run all tests
	$(BIN)/python -m pytest $(ARGS)

check: $(READY) ## Lint, type-check, hold the floors, and see that generated files are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m population_operator.app.crds --output crds --check
	$(BIN)/python -m population_operator.app.crds --output helm/population-operator/files/crds --check

e2e: $(READY) ## Run everything on a real Kubernetes of two nodes: images, chart, kubelets (needs root)
	$(BIN)/python -m pytest $(TESTS) $(ARGS)

e2e-up: $(READY) ## Start that Kubernetes for yourself, until Ctrl-C
	$(BIN)/python -m e2e up

e2e-down: $(READY) ## Remove what it left, however it ended
	$(BIN)/python -m e2e down

bench: $(READY) ## Run the benchmarks behind the figures in the README
	$(BIN)/python -m benchmarks

pictures: $(READY) ## Take the README's pictures again, from real runs (Chromium; the cluster's need root)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev,pictures]'
	$(BIN)/python -m docs.pictures run
	$(BIN)/python -m docs.pictures cluster

format: $(READY) ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

crds: $(READY) ## Generate crds/ and the chart's from the models in api/
	$(BIN)/python -m population_operator.app.crds --output crds
	$(BIN)/python -m population_operator.app.crds --output helm/population-operator/files/crds
	cp examples/triangle/train.py helm/population-operator/files/triangle/

dashboard: $(READY) ## Write the chart's Grafana dashboard
	$(BIN)/python helm/dashboard.py

clean: ## Remove runs, caches and the virtual environment
	rm -rf runs dist build $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
