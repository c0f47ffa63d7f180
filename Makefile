# Each command does its own set-up on a fresh Debian machine with git, make and Rust by rustup, and is quick when nothing is missing.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

languages := $(patsubst guest-sdk/%/check,%,$(wildcard guest-sdk/*/check))
rust_guests := -p edgemill-guest -p conformance $(patsubst transforms/%/Cargo.toml,-p %,$(wildcard transforms/*/Cargo.toml))
target := $(abspath $(or $(CARGO_TARGET_DIR),target))
# programs that make starts share no jobs with it
unexport MAKEFLAGS
export EDGEMILL_CACHE ?= $(CURDIR)/.cache
export EDGEMILL_MODULES ?= $(target)/modules

.PHONY: help demo test programs host storm fuzz broker stand-in bench bench-micro instructions lint modules guests $(languages:%=guest-%) foreign kafka registry rust setup-build setup-test setup-bench

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

demo: modules ## run the main job on an embedded broker, with a swap while records flow
	cargo build
	$(target)/debug/edgemill demo --modules $(EDGEMILL_MODULES)

test: setup-test ## run every test, scenarios against a real Kafka included
	$(MAKE) --no-print-directory --jobs=3 --output-sync=line programs
	cargo test --workspace

# what tests run on: guest languages wait for downloads and have compilers of one thread, so they are built beside the host
programs: host modules guests foreign kafka registry
host: setup-build
	cargo build --workspace --all-targets

storm: export EDGEMILL_STORM = 1
storm: test ## run the tests with the scenarios in their long form

fuzz: setup-build ## feed answers of servers and values of the chain with what a fuzzer thinks of; TIME=60 seconds, TARGET=rows for one of them
	mkdir -p $(EDGEMILL_CACHE)/fuzz/$(or $(TARGET),all)
	RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/scripts/coverage.sh cargo build -p edgemill-fuzz
	EDGEMILL_FUZZ=$(TARGET) $(target)/debug/edgemill-fuzz -max_total_time=$(or $(TIME),60) -rss_limit_mb=2048 \
	  -artifact_prefix=$(EDGEMILL_CACHE)/fuzz/ $(EDGEMILL_CACHE)/fuzz/$(or $(TARGET),all)

bench: modules guests setup-bench kafka ## compare the host with native loops and peers; ARGS="--short" takes minutes, ARGS="--help" says more
	cargo build --profile bench -p edgemill -p edgemill-bench
	$(target)/release/edgemill-bench $(ARGS)

bench-micro: modules ## measure the parts of the data path by themselves; ONLY=ledger for one of them
	cargo bench -p edgemill-micro --bench parts -- $(ONLY)

instructions: modules setup-test ## count the instructions of a record, as `make test` does; UPDATE=1 commits the counts
	cargo test -p edgemill-micro --test instructions -- --nocapture

lint: setup-build ## check formatting, lints, licences and sources
	cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy $(rust_guests) --target wasm32-unknown-unknown --target wasm32-wasip2 -- -D warnings
	scripts/cargo-deny.sh
	$(EDGEMILL_CACHE)/bin/cargo-deny --log-level error check bans licenses sources

modules: setup-build ## build the transforms for both doors into target/modules
	scripts/modules.sh $(target)

guests: $(languages:%=guest-%) ## test the SDKs of all languages, and build their conformance transforms into target/conformance
$(languages:%=guest-%): guest-%: setup-test
	scripts/guests.sh $(target) $*

foreign: setup-test ## build modules with other systems' SDKs into target/modules/foreign, once for what they are made of
	scripts/foreign.sh $(target)

kafka: setup-test ## get a Kafka broker into the cache folder
	tests/servers/get-kafka.sh

registry: setup-test ## get a schema registry into the cache folder
	tests/servers/get-registry.sh

broker: kafka ## run a Kafka at localhost:9092 that makes topics by itself, until Ctrl-C; its data stay in the cache folder
	KAFKA_PROPERTIES=$$'auto.create.topics.enable=true\nnum.partitions=4' tests/servers/kafka.sh $(EDGEMILL_CACHE)/broker 9092 9093 9094

stand-in: setup-build ## run what stands in for FeatureBase, until Ctrl-C: says what an example's .env needs
	cargo run -q -p edgemill-tests --bin stand-in

rust:
	@scripts/rust.sh

setup-build: rust
	@scripts/packages.sh build

setup-test: rust
	@scripts/packages.sh test

setup-bench: rust
	@scripts/packages.sh bench
