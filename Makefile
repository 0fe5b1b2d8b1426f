# Targets for people; `make help` lists them. The scripts they call are in scripts/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X github.com/apibr/studio/internal/version.Version=$(VERSION)

.PHONY: help setup build demo test test-torch25 ears bench bench-engines bench-uploads lint generate soak chaos clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install everything that a fresh machine lacks
	@scripts/setup.sh

build: setup ## build bin/apibr with the web page inside
	@go build -trimpath -ldflags '$(LDFLAGS)' -o bin/apibr ./cmd/apibr

demo: build ## set up, start the studio and make a talking portrait (no GPU, no model download)
	@bin/apibr demo

test: ## run every test, linter and drift check
	@scripts/test.sh

test-torch25: ## run the tests of the models on torch 2.5.1, the last profile (heavy)
	@scripts/test-torch25.sh

lint: ## run the linters only
	@scripts/test.sh lint

generate: ## write the OpenAPI document and the client that is made from it
	@scripts/generate.sh

bench: build ## measure, print and write docs/performance.md
	@scripts/bench.sh

bench-engines: ## measure what the image engines cost: memory at full size, times, kernels (24 GB of disk, half an hour)
	@scripts/bench-engines.sh

ears: ## let a listener judge the voices, and write docs/performance-speech.md (an hour; QUICK=1, TIMES=1: times only)
	@scripts/ears.sh $(if $(TIMES),times generations listener long) $(if $(QUICK),--quick) \
		$(if $(CHATTERBOX),--chatterbox "$(CHATTERBOX)")

bench-uploads: ## 200 parallel uploads of good files, 20 times over: counts the answers (ROUNDS=20 PARALLEL=200)
	@scripts/setup.sh test && ROUNDS=$${ROUNDS:-20} PARALLEL=$${PARALLEL:-200} \
		go test -count=1 -timeout 120m -run ParallelUploads -v ./internal/httpapi

soak: ## two models in turns, twenty times: the memory comes back each time
	@scripts/setup.sh test && APIBR_E2E_TURNS=20 go test -count=1 -timeout 60m -run InTurns -v ./internal/e2e

chaos: ## kill the server, engines and Postgres under load, ROUNDS times (100), and count what is lost, doubled or stuck
	@scripts/setup.sh test && APIBR_CHAOS_ROUNDS=$(or $(ROUNDS),100) \
		go test -count=1 -timeout 6h -run TestChaos -v ./internal/e2e

clean: ## remove what was built (not the data, not the venvs)
	@rm -rf bin web/dist/* .cache
