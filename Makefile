# ClawFleet. `make up` and `make test` do all of their own set-up.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help up preview down open render env doctor clusters clusters-down images-check test test-faults bench bench-fleet policy build lint format schema

STACK ?= dev
CLI := node dist/cli/main.js
SOURCES := $(shell find index.ts components stacks engine cli bench test policy -not -path '*/node_modules/*' -not -path '*/dist/*' \( -name '*.ts' -o -name '*.json' \) 2>/dev/null)

help: ## show this help
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  make %-15s %s\n", $$1, $$2 }'

# What is printed here goes to standard error, so that `make -s env` prints nothing but shell commands.
node_modules/.package-lock.json: package-lock.json
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
	@touch $@

dist/build-stamp: node_modules/.package-lock.json tsconfig.json $(SOURCES)
	@npm run --silent build >&2

build: dist/build-stamp ## compile TypeScript

up: build ## start two local clusters and bring the dev stack up on them
	@$(CLI) local up --stack $(STACK)

preview: build ## show what `make up` would change
	@$(CLI) local preview --stack $(STACK)

down: build ## destroy the dev stack, then stop the clusters
	@$(CLI) local down --stack $(STACK)

open: build ## forward a port to a cell's gateway: make open CELL=dev-eu
	@$(CLI) open $(CELL) $(if $(CELL),,--stack $(STACK))

render: build ## write every object as YAML: make render OUT=dir
	@test -n "$(OUT)" || { echo 'error: OUT is not set'; echo '  Fix: make render OUT=DIR'; exit 2; } >&2
	@$(CLI) render --stack $(STACK) --out "$(OUT)"

env: build ## print shell commands for plain pulumi and kubectl: eval "$$(make -s env)"
	@$(CLI) local env

doctor: build ## show the toolchain: what was found, where, which version
	@$(CLI) doctor

clusters: build ## list the local clusters
	@$(CLI) local clusters

clusters-down: build ## stop the local clusters and nothing else
	@$(CLI) local clusters-down

images-check: build ## check every pinned tag against its registry
	@$(CLI) images

test: build ## run every test: unit, mocks, contract (real programs), engine (real clusters)
	@npm run --silent lint && npm run --silent format:check
	@node dist/test/run.js

test-faults: build ## kill, starve and cut off rollouts on real clusters: half an hour; KILLS=50
	@KILLS=$(or $(KILLS),50) node dist/test/run.js faults

policy: build ## preview the dev stack under the policy pack
	@$(CLI) local preview --stack $(STACK) --policy

bench: build ## measure against helm and kubectl on the same clusters; writes bench/latest.json
	@node dist/bench/main.js

bench-fleet: build ## measure rollouts of 50 cells on 4 local clusters; takes most of an hour
	@node dist/bench/fleet.js

schema: build ## extract the component package's schema.json again
	@npm run --silent schema

lint: build
	@npm run --silent lint && npm run --silent format:check

format: node_modules/.package-lock.json
	@npm run --silent format
