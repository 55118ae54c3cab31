# Everything there is to run. CI and the README call only these.

.DEFAULT_GOAL := help
EXAMPLE ?= envoy.yaml
CARGO ?= cargo
SOURCE ?=
SKIP ?=
# The ciphers that the module has, not those that a CPU has instructions for.
PORTABLE := --cfg sha2_backend="soft" --cfg chacha20_backend="soft" --cfg poly1305_backend="soft"
# A release of each minor of Envoy that the tests are run on, oldest first: the newest one that
# has a package with V8. That of 1.38.3 was built without it.
ENVOYS := 1.36.4 1.37.0 1.38.2 1.39.3 1.40.0

# Of the minor that Envoy Gateway runs by itself.
GATEWAYS_ENVOY := 1.39.3

# The oldest that the dynamic module is for, and what is run on it: not each mode with each store.
OLDEST_NATIVE := $(filter 1.39.%,$(ENVOYS))
NATIVE_TESTS ?= abi:: configuration:: cut_off:: gateway:: gone:: metrics:: panics:: properties:: reload:: shared:: \
  scenarios::shared_data scenarios::sealed::endpoint scenarios::webdis::authority

# Two that install packages at once would wait for each other in vain.
.NOTPARALLEL:
.PHONY: help demo demo-redis demo-sealed up build native check test test-matrix test-oldest test-native test-asan test-istio test-gateway test-golden test-interop image release manifests bench instructions soak fuzz lint envoy
.PHONY: prerequisites prerequisites-redis prerequisites-test prerequisites-istio prerequisites-gateway prerequisites-interop prerequisites-build
.PHONY: prerequisites-instructions prerequisites-fuzz prerequisites-bench prerequisites-lint

help: ## Shows this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: prerequisites build envoy ## Opens 30 sessions on 3 pods, without Podpin and with it, and compares
	@$(CARGO) run --locked --package podpin-tests --bin demo

demo-redis: prerequisites-redis build envoy ## Sessions across two Envoys that share a Redis, and their restart
	@$(CARGO) run --locked --package podpin-tests --bin demo redis

demo-sealed: prerequisites build envoy ## Sessions across two Envoys without any store, and their restart
	@$(CARGO) run --locked --package podpin-tests --bin demo sealed

up: prerequisites build $(if $(filter native.yaml,$(EXAMPLE)),native) envoy ## Leaves EXAMPLE of envoy/ running, to be tried by hand; Ctrl-C ends it
	@$(CARGO) run --locked --package podpin-tests --bin demo up $(EXAMPLE)

build: prerequisites-build ## Builds dist/podpin.wasm
	@filter/build-wasm

native: prerequisites ## Builds dist/libpodpin.so, the same as a dynamic module, for machines as this one
	@filter/build-native

check: prerequisites ## Builds dist/podpin-check, which judges configurations of the filter
	@$(CARGO) build --locked --release --package podpin-check
	@mkdir -p dist && cp "$${CARGO_TARGET_DIR:-target}/release/podpin-check" dist/

test: prerequisites-test build envoy ## Runs all tests, up to those on a real Envoy
	@filter/build-native --trip
	$(CARGO) test --locked --workspace

test-matrix: prerequisites-test build ## Runs those on a real Envoy on one of each minor that is supported
	@$(call test_on,$(ENVOYS))

test-oldest: prerequisites-test build ## Runs them on the oldest only
	@$(call test_on,$(firstword $(ENVOYS)))

test-native: prerequisites-test ## Runs those of the dynamic module on the oldest Envoy that it is for
	@filter/build-native --trip
	@tests/install-envoy $(OLDEST_NATIVE)
	ENVOY=$(CURDIR)/.tools/envoy-$(OLDEST_NATIVE)/bin/envoy \
	  $(CARGO) test --locked --package podpin-tests --test native -- $(NATIVE_TESTS)

test-asan: prerequisites ## Runs those of the dynamic module that take no Envoy under AddressSanitizer
	@tests/module_abi/under-asan --skip ::upstash::

test-istio: release envoy ## Runs the chart's output through istiod's own code on a real Envoy
	cd tests/istio && go test -count=1 -timeout 30m -v .

test-gateway: prerequisites-gateway image check envoy ## Runs Envoy Gateway itself on gateway/example; UPDATE=yes writes its golden file
	@tests/install-envoy $(GATEWAYS_ENVOY)
	@tests/gateway/install-tools
	cd tests/gateway && go test -count=1 -timeout 20m -v . $(if $(UPDATE),-update)
	cd tests/gateway && ENVOY=$(CURDIR)/.tools/envoy-$(GATEWAYS_ENVOY)/bin/envoy \
	  go test -count=1 -timeout 20m -v -run 'TestTheExample|TestAModule|TestTheDynamicModule' .

test-golden: prerequisites build ## Runs that golden file on the Envoy that Envoy Gateway has by itself
	@tests/install-envoy $(GATEWAYS_ENVOY)
	ENVOY=$(CURDIR)/.tools/envoy-$(GATEWAYS_ENVOY)/bin/envoy \
	  $(CARGO) test --locked --workspace --test envoy gateway:: -- --skip scenarios::

test-interop: prerequisites-interop build envoy ## Runs the servers and clients of MCP's SDKs; RECORD=yes writes what they did
	RECORD=$(RECORD) $(CARGO) test --locked --package podpin-tests --test interop

image: build native ## Writes dist/image/, the modules as an OCI image layout; SOURCE is where their source is
	@$(CARGO) run --locked --quiet --package podpin-image \
	  dist/podpin.wasm dist/libpodpin.so dist $(SOURCE) > dist/digests.txt
	@cat dist/digests.txt

release: prerequisites-istio image check ## Gathers in dist/ what is published: modules, image, chart, bills of materials
	@tests/istio/install-tools
	@istio/package $(CURDIR)/dist

manifests: prerequisites-istio ## Renders istio/manifests/ from the chart once more
	@tests/istio/install-tools
	@istio/manifests/render

bench: prerequisites-bench build envoy ## Measures what Podpin costs, beside what else there is and a BASELINE
	@filter/build-wasm podpin-noop
	@filter/build-native --noop
	@$(CARGO) run --locked --release --package podpin-tests --bin bench

instructions: prerequisites-instructions ## Counts instructions of the core, and compares; RECORD=yes records
	@RUSTFLAGS='$(PORTABLE)' $(CARGO) run --locked --profile instructions --package podpin-instructions -- $(if $(RECORD),record)

soak: prerequisites-redis build envoy ## Kills pods, Envoys and Redis under live clients, for MINUTES (10)
	@$(CARGO) run --locked --release --package podpin-tests --bin soak -- $(or $(MINUTES),10)

fuzz: prerequisites-fuzz ## Feeds anything at all to the filter, for a minute; or RUNS or SECONDS of each TARGET
	@cd fuzz && $(CARGO) test --locked --quiet --no-default-features --lib
	@fuzz/run $(if $(RUNS),--runs $(RUNS)) $(if $(SECONDS),--seconds $(SECONDS)) $(TARGET)

.PHONY: invariants
invariants: prerequisites-fuzz ## Breaks the core in each way that a fuzz target has to find
	@fuzz/check-invariants

lint: prerequisites-lint ## Checks format, lints, and that the core depends on no proxy
	@unformatted=$$(command -v gofmt >/dev/null && gofmt -l tests/istio tests/gateway tests/interop/go); \
	  if [ -n "$$unformatted" ]; then echo "podpin: gofmt -w $$unformatted" >&2; exit 1; fi
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings
	$(CARGO) clippy --locked --package podpin-tests --test interop -- --deny warnings
	cd fuzz && $(CARGO) fmt --check && $(CARGO) clippy --locked --no-default-features --lib --bins --tests -- --deny warnings
	@tree=$$($(CARGO) tree --locked --package podpin --edges normal) || exit 1; \
	  if echo "$$tree" | grep -E 'proxy-wasm|getrandom|rand '; then \
	  echo 'podpin: the core must not depend on a proxy or on randomness' >&2; exit 1; fi

envoy: prerequisites ## Installs Envoy under .tools/, unless there is one
	@tests/install-envoy $(lastword $(ENVOYS)) $(firstword $(ENVOYS))

# The tests that a release of Envoy can fail, on each of these, but for those that SKIP names.
define test_on
set -e; for version in $(1); do \
  tests/install-envoy $$version; \
  echo "on Envoy $$version"; \
  ENVOY=$(CURDIR)/.tools/envoy-$$version/bin/envoy \
    $(CARGO) test --locked --workspace --test docs --test envoy -- $(addprefix --skip ,$(SKIP)); \
done
endef

prerequisites:
	@tests/prerequisites rust wasm envoy

prerequisites-redis:
	@tests/prerequisites rust wasm envoy redis

prerequisites-test:
	@tests/prerequisites rust wasm envoy redis observability

prerequisites-istio:
	@tests/prerequisites rust wasm envoy redis istio

prerequisites-gateway:
	@tests/prerequisites rust wasm envoy gateway

prerequisites-interop:
	@tests/prerequisites rust wasm envoy interop

prerequisites-bench:
	@tests/prerequisites rust wasm envoy redis bench

prerequisites-build:
	@tests/prerequisites rust wasm

prerequisites-instructions:
	@tests/prerequisites rust instructions

prerequisites-fuzz:
	@tests/prerequisites rust fuzz

prerequisites-lint:
	@tests/prerequisites rust lint
