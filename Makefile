# Everything is run from here, by people, by CI and by the pre-commit hooks alike.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-host lint format bench bench-verdict schema lock clean

VENV := .venv
BIN := $(VENV)/bin
# The first Python of this machine that is new enough.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
WORKERS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

help: ## Show what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r a b; do printf '  %-18s %s\n' "$$a" "$$b"; done

setup: $(VENV)/.installed ## Create the virtual environment and install everything, locked

$(VENV)/.installed: pyproject.toml requirements.lock requirements-node.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: https://www.python.org/downloads/"; exit 1; }
	@command -v git >/dev/null || { echo "git is needed: install the package git"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv is needed: install the package python3-venv"; exit 1; }
	@echo "installing into $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --require-hashes --requirement requirements.lock
	@node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null \
		|| { echo "no Node 20.19 or newer here: installing one into $(VENV)"; \
		$(BIN)/pip install --quiet --require-hashes --requirement requirements-node.lock; }
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Break a production host on this machine, and recover it in the open
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh .ci/demo

test: setup ## Run all tests, without root
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m 'not host' --cov --cov-report=term

test-host: setup ## Run the tests that need root or Debian packages, which it installs
	@sh .ci/host-packages
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m host

lint: setup ## Run all checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell $$(git ls-files)
	$(BIN)/shellcheck --shell=sh $$(git ls-files 'ops/*.sh') .ci/demo .ci/host-packages
	$(BIN)/shellcheck .ci/run

format: setup ## Format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: setup ## Measure speed, as ratios side by side
	$(BIN)/python -m bench

bench-verdict: setup ## Judge every state of real migrations, and mend them (MIGRATIONS=path)
	$(BIN)/python -m bench.verdict $(if $(MIGRATIONS),--migrations "$(MIGRATIONS)") $(OPTIONS)

schema: setup ## Write ops/inventory.schema.json and docs/inventory.md anew from the types
	$(BIN)/python -m ops.reference

lock: ## Resolve the dependencies anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		pyproject.toml --group dev --extra sandbox --output-file requirements.lock
	sed -n 's/^node = \["\(.*\)"\]/\1/p' pyproject.toml | uv pip compile --quiet --universal \
		--python-version 3.11 --generate-hashes --no-header --output-file requirements-node.lock -

clean: ## Take the sandbox down and remove what was built
	@if [ -x $(BIN)/ops ]; then $(BIN)/ops sandbox down; fi
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .coverage .coverage.* build *.egg-info
