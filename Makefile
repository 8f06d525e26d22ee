# Run `make help` for the list of targets.

SHELL := bash
.DEFAULT_GOAL := help

# scripts/setup puts Node.js there where the system's own is too old.
export PATH := $(CURDIR)/.cache/node/bin:$(PATH)

# How long each fuzz target runs.
FUZZTIME ?= 10s
# Which benchmarks run.
BENCH ?= .

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Run a node on 127.0.0.1:8080; nothing has to be configured
	go run ./cmd/pushstreamd

.PHONY: cluster
cluster: build ## Run Redis, three nodes and nginx on 127.0.0.1:8080
	scripts/setup redis-server nginx curl
	scripts/cluster

.PHONY: build
build: ## Build bin/pushstreamd, static
	CGO_ENABLED=0 go build -trimpath -o bin/pushstreamd ./cmd/pushstreamd

# The integration tests come after all others and not beside them: they measure time, on what may be two cores.
.PHONY: test
test: setup ## Run all tests: unit, contract suites, integration, a real browser
	CGO_ENABLED=1 go test -race -shuffle=on -timeout 15m $$(go list ./... | grep -v /integration)
	CGO_ENABLED=1 go test -race -shuffle=on -timeout 15m ./integration/...

.PHONY: test-valkey
test-valkey: ## Run the tests of the Redis backplane against Valkey
	scripts/setup gcc valkey-server
	CGO_ENABLED=1 PUSHSTREAM_TEST_REDIS_SERVER=valkey-server go test -race -shuffle=on -timeout 15m ./pkg/backplane/redis/... ./internal/redistest/...

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s)
	scripts/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## Run the benchmarks that match BENCH (all)
	go test -run '^$$' -bench '$(BENCH)' -benchmem -timeout 30m ./...

.PHONY: fmt
fmt: ## Format the Go code
	scripts/golangci-lint fmt

.PHONY: fmt-check
fmt-check: ## Show what fmt would change; fails if there is any
	scripts/golangci-lint fmt --diff

.PHONY: lint
lint: ## Run golangci-lint, go vet and shellcheck
	scripts/setup shellcheck
	shellcheck .ci/run scripts/*
	go vet ./...
	scripts/golangci-lint run

.PHONY: tidy
tidy: ## Bring go.mod and go.sum up to date
	go mod tidy

.PHONY: tidy-check
tidy-check: ## Show what tidy would change; fails if there is any
	go mod tidy -diff

.PHONY: setup
setup: ## Install what the tests need, or say what is missing
	scripts/setup
