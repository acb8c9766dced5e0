# Thin names for the scripts in hack/.
.DEFAULT_GOAL := help
.PHONY: help up test check bench fuzz record lock

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

up: ## install into .venv and start a cluster (make up ARGS="--etcd")
	@hack/up $(ARGS)

test: ## all tests (make test ARGS="path -k name")
	@hack/venv
	@hack/test $(ARGS)

check: ## format, lint, types, import contracts
	@hack/venv
	@hack/check

bench: ## measure pocketkube, and the real pair where it is built (PEER_BIN)
	@hack/venv
	@.venv/bin/python -m conformance.benchmark.bench $(ARGS)

fuzz: ## a million bad requests
	@hack/venv
	@.venv/bin/python -m conformance.robustness.fuzz $(ARGS)

record: ## ask the real server again (needs PEER_BIN)
	@hack/venv
	@.venv/bin/python -m conformance.differential.record $(ARGS)

lock: ## write requirements.lock from .venv
	@hack/venv
	@.venv/bin/python hack/lock.py
