# Entry points. Each target does its own set-up: what it installs leaves a stamp in target/setup, what is there is skipped.
#   make run [ARGS=…] [PROFILE=dev]   build and run the server        make test    every test layer
#   make check [CRATE=sampler]        fmt, clippy, tests; no network   make bench   ratios and costs, in one run
#   make soak   the long simulation   make fuzz [FUZZ_SECONDS=5]   make audit   advisories and licences
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := run
.PHONY: run test test-rust test-pipeline check bench soak fuzz audit clean

STAMPS := target/setup
PROFILE ?= release
BUILT := $(if $(filter dev,$(PROFILE)),debug,$(PROFILE))
# Where cargo puts what it builds, if the environment says so.
TARGET := $(or $(CARGO_TARGET_DIR),target)
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# A rustup that was installed a moment ago is not on PATH yet.
export PATH := $(HOME)/.cargo/bin:$(PATH)

run: $(STAMPS)/build $(STAMPS)/rust
	cargo build --locked --profile $(PROFILE) -p tracewell-server $(if $(filter dev,$(PROFILE)),,--features jemalloc)
	exec $(TARGET)/$(BUILT)/tracewell $(ARGS)

test: test-rust test-pipeline

test-rust: $(STAMPS)/build $(STAMPS)/rust
	cargo test --locked --workspace

# The real Python and JavaScript SDKs and a real Prometheus against the real binary, and the binary killed, filled up and damaged.
test-pipeline: $(STAMPS)/build $(STAMPS)/rust $(STAMPS)/python-sdk $(STAMPS)/node-sdk $(STAMPS)/prometheus
	cargo build --locked -p tracewell-server
	cargo test --locked -p tracewell-tests --test pipeline -- --test-threads 2

check:
	cargo fmt --check $(if $(CRATE),-p tracewell-$(CRATE),--all)
	cargo clippy --locked $(if $(CRATE),-p tracewell-$(CRATE),--workspace) --all-targets -- -D warnings
	cargo test --locked $(if $(CRATE),-p tracewell-$(CRATE),--workspace)

# Both programs in one build, since some sections start the server. On the disk of the checkout: a /tmp in memory would take the log's gigabytes and
# make fsync free.
bench: $(STAMPS)/build $(STAMPS)/rust
	cargo build --locked --profile dist -p tracewell-server -p tracewell-bench --features tracewell-server/jemalloc
	mkdir -p target/tmp
	TMPDIR=$(CURDIR)/target/tmp $(TARGET)/dist/tracewell-bench $(ONLY)

soak: $(STAMPS)/build $(STAMPS)/rust
	TRACEWELL_SIM_SEEDS=10000 cargo test --locked --release -p tracewell-tests --test simulation -- --nocapture

# Searches on from the corpus that the gate runs.
fuzz: $(STAMPS)/build $(STAMPS)/rust
	tests/fuzz/run.sh

audit: $(STAMPS)/rust
	cargo deny --locked check

clean:
	cargo clean

# Set-up ------------------------------------------------------------------------------------------------------------------------------

$(STAMPS)/build:
	@tests/setup/build.sh $(SUDO)
	@mkdir -p $(@D) && touch $@

$(STAMPS)/rust:
	@tests/setup/rust.sh $(SUDO)
	@mkdir -p $(@D) && touch $@

$(STAMPS)/python-sdk: tests/pipeline/python/requirements.txt
	@tests/setup/python-sdk.sh $(SUDO)
	@mkdir -p $(@D) && touch $@

$(STAMPS)/prometheus: tests/setup/prometheus.sh
	@tests/setup/prometheus.sh $(SUDO)
	@mkdir -p $(@D) && touch $@

$(STAMPS)/node-sdk: tests/pipeline/node/package-lock.json
	@tests/setup/node-sdk.sh $(SUDO)
	@mkdir -p $(@D) && touch $@
