# Run `make help` for the list of targets.

SHELL := bash
.DEFAULT_GOAL := help

# scripts/setup puts Node.js there where the system's own is too old.
export PATH := $(CURDIR)/.cache/node/bin:$(PATH)

# How long each fuzz target runs.
FUZZTIME ?= 10s
# The tests that do harm to a deployment, or run it for long.
HARM := ^(TestFaults|TestRandomFaults|TestSoak)$$
# Which benchmarks run.
BENCH ?= .
# The release of benchstat that compares them.
BENCHSTAT := v0.0.0-20260908200009-22c9c6c9d4da

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

# The integration tests come after all others and not beside them: they measure time, on what may be two cores. Those that
# do harm wait most of the time, so more of them run at once; the race detector would look only at who watches.
.PHONY: test
test: setup ## Run all tests: unit, contract suites, integration, a real browser
	CGO_ENABLED=1 go test -race -shuffle=on -timeout 15m $$(go list ./... | grep -v /integration)
	CGO_ENABLED=1 go test -race -shuffle=on -timeout 30m -skip '$(HARM)' ./integration/...
	go test -timeout 15m -parallel 3 -run '$(HARM)' ./integration

# Linux has a faster way of its own; the tag chooses the one of all other systems.
.PHONY: test-portable
test-portable: setup ## Run the tests of streams as on systems other than Linux
	CGO_ENABLED=1 GOFLAGS=-tags=portable go test -race -shuffle=on -timeout 15m ./pkg/sse ./internal/httpapi ./internal/app

.PHONY: harm-portable
harm-portable: setup ## Run the tests that do harm as on systems other than Linux
	GOFLAGS=-tags=portable go test -count=1 -timeout 15m -parallel 3 -run '$(HARM)' ./integration

.PHONY: cross
cross: ## Build for macOS and Windows
	GOOS=darwin GOARCH=arm64 go build ./...
	GOOS=windows GOARCH=amd64 go build ./...

# What they say of PUSHSTREAM_TEST_... is in integration/faults_schedule_test.go.
.PHONY: chaos
chaos: setup ## Harm a deployment at random: SECONDS=60, SEED=, SCHEDULE=, REPORT=folder
	PUSHSTREAM_TEST_SECONDS=$(or $(SECONDS),60) PUSHSTREAM_TEST_SEED='$(or $(SEED),$(shell date +%s))' PUSHSTREAM_TEST_SCHEDULE='$(SCHEDULE)' \
		PUSHSTREAM_TEST_REPORT='$(abspath $(REPORT))' go test ./integration -count=1 -timeout 0 -v -run '^TestRandomFaults$$'

.PHONY: faults
faults: setup ## Do every kind of harm once and write the matrix in docs/reference/faults.md
	PUSHSTREAM_TEST_REPORT='$(CURDIR)/docs/reference' go test ./integration -count=1 -timeout 0 -parallel 1 -v -run '^TestFaults$$'

.PHONY: soak
soak: setup ## Run two nodes under traffic for SECONDS (6000), and write docs/reference/soak.md
	PUSHSTREAM_TEST_SECONDS=$(or $(SECONDS),6000) PUSHSTREAM_TEST_REPORT='$(CURDIR)/docs/reference' \
		go test ./integration -count=1 -timeout 0 -v -run '^TestSoak$$'

# Nothing else should run meanwhile: all that is measured shares the processors with it.
.PHONY: performance
performance: setup ## Measure what events and readers cost, RUNS times (3), and write docs/reference/performance.md
	PUSHSTREAM_TEST_RUNS=$(or $(RUNS),3) PUSHSTREAM_TEST_REPORT='$(CURDIR)/docs/reference' \
		go test ./integration -count=1 -timeout 30m -v -run '^TestPerformance$$'

.PHONY: check-js
check-js: ## Lint, test, build and weigh the browser client
	scripts/setup node npm-client npm-node24
	cd clients/js && npm run check

.PHONY: embed-js
embed-js: ## Build the browser client that nodes serve, internal/httpapi/pushstream.js
	scripts/setup node npm-client
	cd clients/js && npm run build:embed

.PHONY: test-valkey
test-valkey: ## Run the tests of the Redis backplane against Valkey
	scripts/setup gcc valkey-server
	CGO_ENABLED=1 PUSHSTREAM_TEST_REDIS_SERVER=valkey-server go test -race -shuffle=on -timeout 15m ./pkg/backplane/redis/... ./internal/redistest/...

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (10s)
	scripts/fuzz $(FUZZTIME)

# The first run is kept in bin/bench.txt, and those that follow are compared with it: remove it to begin anew.
.PHONY: bench
bench: ## Run the benchmarks that match BENCH (all) COUNT times (6), and compare with the first such run
	mkdir -p bin
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(or $(COUNT),6) -timeout 60m ./... > bin/bench-new.txt || (cat bin/bench-new.txt; false)
	test -f bin/bench.txt || cp bin/bench-new.txt bin/bench.txt
	go run golang.org/x/perf/cmd/benchstat@$(BENCHSTAT) -ignore pkg,cpu bin/bench.txt bin/bench-new.txt

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
