# `make help` lists the targets. PYTHON names the interpreter that .venv is made with.
PYTHON ?= python3
PORT ?= 8000
.DEFAULT_GOAL := help
.PHONY: help run test torture mutation check format bench bench-detect sample requirements picture clean
VENV := .venv/bin/python

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16
	@echo "Commands of the product: $(VENV) manage.py help"

run: ## serve the admin on 127.0.0.1:8000 (PORT=…), with two sample logs
	@$(PYTHON) scripts/bootstrap.py
	@exec $(VENV) manage.py up --port $(PORT)

# Workers of pytest-xdist, each with a server and a database of its own: one more than cores, for tests wait for servers and
# for each other about a third of their time. ARGS="-n 0" runs in one process.
WORKERS = -n $(shell $(PYTHON) -c "import os; print(min(8, os.cpu_count() + 1))") --dist loadgroup --no-loadscope-reorder
test: ## run all tests (DATABASE_URL names another server than the throw-away one; ARGS go to pytest)
	@$(PYTHON) scripts/bootstrap.py requirements-dev.txt
	@PYTHONDONTWRITEBYTECODE= exec $(VENV) -m pytest $(WORKERS) $(ARGS)  # they start hundreds of processes

API_CASES ?= 20000
torture: ## kill, terminate, crash, fill the disk and fuzz, and look for what is lost (ARGS); requests to the API (API_CASES)
	@$(PYTHON) scripts/bootstrap.py requirements-dev.txt
	@DRIFTLOCK_API_CASES=$(API_CASES) $(VENV) -m pytest -q -p no:cacheprovider tests/torture/test_schemas.py
	@exec $(VENV) -m tests.torture $(ARGS)

mutation: ## make faults in audit, triage, saving, ingest's refusals, permissions; list those that no test notices (ARGS="seals --sample 60")
	@$(PYTHON) scripts/bootstrap.py requirements-dev.txt requirements-mutation.txt
	@exec $(VENV) -m tests.mutation $(ARGS)

check: ## lint, format, types, migrations, security; writes sbom.json (CycloneDX)
	@$(PYTHON) scripts/bootstrap.py requirements-dev.txt
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy driftlock anomalies clients/python
	$(VENV) scripts/python_client.py --check
	$(VENV) manage.py makemigrations --check --dry-run
	$(VENV) -m bandit --quiet --configfile pyproject.toml --recursive anomalies driftlock scripts
	$(VENV) -W ignore::UserWarning -m cyclonedx_py requirements requirements.txt --pyproject pyproject.toml \
	  --output-reproducible --validate --output-file sbom.json
	$(VENV) scripts/audit.py requirements.txt requirements-dev.txt requirements-mutation.txt
	$(VENV) scripts/lint_migrations.py

format: ## format the code
	@$(PYTHON) scripts/bootstrap.py requirements-dev.txt
	$(VENV) -m ruff check --fix .
	$(VENV) -m ruff format .

ROWS ?= 1000000
bench: ## measure ingest, record, decisions, statistics, the desk's pages against yardsticks (ROWS=10000000); what is missed
	@$(PYTHON) scripts/bootstrap.py requirements-dev.txt
	@$(VENV) -m benchmarks --rows $(ROWS)

DATA ?= ../shared/data
INCIDENTS ?= $(wildcard ../shared/cases/incidents.py)
bench-detect: ## compare the detector with its former engine and simple methods (DATA=folder INCIDENTS=module)
	@$(PYTHON) scripts/bootstrap.py requirements-dev.txt
	@$(VENV) -m pip install --quiet drain3==0.9.11  # a yardstick alone: it pins old packages, so nothing else may need it
	@$(VENV) -m benchmarks.detect $(DATA) $(INCIDENTS)

sample: ## record samples/postgresql.log again, with its faults (about five minutes)
	@$(PYTHON) scripts/bootstrap.py
	$(VENV) samples/record.py --out samples

picture: ## take the README's screenshots (needs chromium)
	@$(PYTHON) scripts/bootstrap.py requirements-dev.txt
	DRIFTLOCK_SCREENSHOTS=docs/pictures $(VENV) -m pytest -q tests/browser/test_pictures.py

requirements: ## resolve requirements*.in into the pinned requirements*.txt
	@$(PYTHON) scripts/bootstrap.py
	$(VENV) -m pip install --quiet uv
	$(VENV) -m uv pip compile --quiet --universal --python-version 3.11 --no-annotate --custom-compile-command "make requirements" requirements.in -o requirements.txt
	$(VENV) -m uv pip compile --quiet --universal --python-version 3.11 --no-annotate --custom-compile-command "make requirements" requirements-dev.in -o requirements-dev.txt
	$(VENV) -m uv pip compile --quiet --universal --python-version 3.11 --no-annotate --custom-compile-command "make requirements" requirements-mutation.in -o requirements-mutation.txt

clean: ## remove .venv and what tools left behind; the data in .data stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache staticfiles
