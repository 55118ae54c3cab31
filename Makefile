# Everything there is to run. CI and the README call only these.

.DEFAULT_GOAL := help
.PHONY: help demo up build test bench lint envoy prerequisites

CARGO ?= cargo

help: ## Shows this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: prerequisites build envoy ## Opens 30 sessions on 3 pods, without Podpin and with it, and compares
	@$(CARGO) run --locked --quiet --package podpin-tests --bin demo

up: prerequisites build envoy ## Leaves the same set-up running, to be tried by hand; Ctrl-C ends it
	@$(CARGO) run --locked --quiet --package podpin-tests --bin demo up

build: ## Builds dist/podpin.wasm
	@filter/build-wasm

test: prerequisites build envoy ## Runs all tests, up to those on a real Envoy
	$(CARGO) test --locked --workspace

bench: prerequisites build envoy ## Measures what Podpin costs Envoy, as a ratio
	@$(CARGO) run --locked --quiet --release --package podpin-tests --bin bench

lint: ## Checks format, lints, and that the core depends on no proxy
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings
	@if $(CARGO) tree --locked --package podpin | grep proxy-wasm; then \
	  echo 'podpin: the core must not depend on proxy-wasm' >&2; exit 1; fi

envoy: ## Installs Envoy under .tools/, unless there is one
	@tests/install-envoy

prerequisites:
	@tests/prerequisites
