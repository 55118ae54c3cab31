# Everything there is to run. CI and the README call only these.

.DEFAULT_GOAL := help
EXAMPLE ?= envoy.yaml
CARGO ?= cargo

.PHONY: help demo demo-redis up build test bench lint envoy prerequisites prerequisites-redis

help: ## Shows this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: prerequisites build envoy ## Opens 30 sessions on 3 pods, without Podpin and with it, and compares
	@$(CARGO) run --locked --package podpin-tests --bin demo

demo-redis: prerequisites-redis build envoy ## Sessions across two Envoys that share a Redis, and their restart
	@$(CARGO) run --locked --package podpin-tests --bin demo redis

up: prerequisites build envoy ## Leaves EXAMPLE of envoy/ running, to be tried by hand; Ctrl-C ends it
	@$(CARGO) run --locked --package podpin-tests --bin demo up $(EXAMPLE)

build: ## Builds dist/podpin.wasm
	@filter/build-wasm

test: prerequisites-redis build envoy ## Runs all tests, up to those on a real Envoy
	$(CARGO) test --locked --workspace

bench: prerequisites-redis build envoy ## Measures what Podpin costs Envoy, beside bare Envoy and a BASELINE
	@$(CARGO) run --locked --release --package podpin-tests --bin bench

lint: ## Checks format, lints, and that the core depends on no proxy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings
	@tree=$$($(CARGO) tree --locked --package podpin --edges normal) || exit 1; \
	  if echo "$$tree" | grep -E 'proxy-wasm|getrandom|rand '; then \
	  echo 'podpin: the core must not depend on a proxy or on randomness' >&2; exit 1; fi

envoy: ## Installs Envoy under .tools/, unless there is one
	@tests/install-envoy

prerequisites:
	@tests/prerequisites

prerequisites-redis:
	@tests/prerequisites redis
