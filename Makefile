# `make` lists the targets. What they need is made by .ci/setup, under .build/.

BUILD := $(CURDIR)/.build
PYTHON := $(BUILD)/venv/bin/python

export CARGO_TARGET_DIR := $(BUILD)/target
# One interpreter for every cargo call, or PyO3 is compiled again and again.
export PYO3_PYTHON := $(PYTHON)
export PATH := $(BUILD)/bin:$(BUILD)/venv/bin:$(BUILD)/nix/bin:$(PATH)

# The steps of `test` have an order: what fails quickest comes first.
.NOTPARALLEL:
.PHONY: help setup demo demo-check test lint fmt test-rust test-python test-nixos test-patches test-e2e docs bench bench-eval fuzz clean

help: ## This list
	@grep -E '^[a-z0-9-]+:.*## ' Makefile | sed -E 's/^([^:]+):.*## /\1 /' | \
		while read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

setup: ## Get and build all that is needed (asks for root once); PATCHES=none: Buildbot as it is
	@.ci/setup

demo: setup ## Run a Buildbot with a forge of its own, to click through
	$(PYTHON) -m tests.demo

demo-check: setup ## Run the same without a person, and end
	$(PYTHON) -m tests.demo --check

test: setup lint test-rust test-python test-nixos test-patches test-e2e ## Everything that CI checks

lint: setup ## Formatting, lints and types
	.ci/check-nix
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	ruff check --quiet
	ruff format --check --quiet
	mypy --strict buildbot_nix
	$(PYTHON) -m mypy.stubtest buildbot_nix._native

fmt: setup ## Format what is not formatted
	cargo fmt --all
	ruff check --quiet --select I --fix
	ruff format --quiet
	PATH=$(PATH):$(BUILD)/tools/bin nixfmt flake.nix $$(find nixos tests/nixos -name '*.nix')

docs: setup ## Write the pages that are made of the code
	$(PYTHON) -m tests.nixos.options
	$(PYTHON) -m tests.settings_tables

test-rust: setup ## Tests of the Rust crates
	.ci/with-libpython cargo test --workspace

test-python: setup ## Tests of the Python package, with Buildbot's own fakes
	$(PYTHON) -m pytest tests/python

LIB ?=
NIXOS ?=
test-nixos: setup ## Tests of the NixOS modules; LIB=DIR, NIXOS=DIR: also with those of a nixpkgs
	NIXPKGS_LIB=$(LIB) NIXPKGS_NIXOS=$(NIXOS) $(PYTHON) -m pytest tests/nixos

test-patches: setup ## Tests of the patches to Buildbot, each with and without
	$(PYTHON) -m pytest --timeout 300 tests/patches

test-e2e: setup ## Tests with a real Buildbot, Nix, PostgreSQL and browser
	$(PYTHON) -m pytest --timeout 300 tests/e2e

PARTS ?=
bench: setup ## Measure; PARTS='NAME ...': some of what `python -m bench --help` lists
	.ci/build release
	$(PYTHON) -m bench --agent $(CARGO_TARGET_DIR)/release/buildbot-nix $(PARTS)

bench-eval: setup ## Measure evaluations, beside nix-eval-jobs where that is
	.ci/build release
	$(PYTHON) -m bench.evaluation --agent $(CARGO_TARGET_DIR)/release/buildbot-nix

SECONDS ?= 60
fuzz: setup ## Feed parsers of hostile input with odd bytes, each for SECONDS (60)
	.ci/fuzz $(SECONDS)

clean: ## Remove what was made here; the Nix store and system packages stay
	rm -rf .build buildbot_nix/*.so
	find buildbot_nix tests bench -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
