#? edgewarden: `make demo` runs the main job on this machine, `make test` runs the tests.

GO      ?= go
BIN     := bin
FUZZTIME ?= 5s
# every module of the repository besides the product's own: checks that are too heavy for its go.mod
TEST_MODULES := $(patsubst ./%/go.mod,%,$(filter-out ./go.mod ./tools/go.mod ./internal/report/browser/go.mod ./deploy/kubernetes/verify/controlplane/go.mod,$(shell find . -name go.mod -not -path './.git/*' | sort)))

.PHONY: help build demo gameday gameday-fixed test ci lint static vuln race fuzz cards bench bench-peers torture soak modules verify-kubernetes images licenses sbom reproducible page page-if-found

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

build: ## build the three programs into bin/
	$(GO) build -o $(BIN)/ ./cmd/...

demo: build ## the rehearsal: attackers among customers, both programs, a stand-in edge, a score
	$(BIN)/gameday

gameday: build ## 20 long games with seeds nobody has chosen, every actor and every trouble; SEEDS=1,2 for chosen ones
	$(BIN)/gameday play $(if $(SEEDS),--seed $(SEEDS),--fresh 20)

gameday-fixed: build
	$(BIN)/gameday play --seed 1,2,3

test: ## all tests of the product, in a few minutes
	$(GO) test ./...

ci: lint licenses static images vuln sbom reproducible race fuzz modules page-if-found verify-kubernetes gameday-fixed ## the slower checks

lint: ## formatting, go vet, staticcheck, module sums
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "$$unformatted"; echo 'run gofmt -w on these files'; exit 1; }
	$(GO) vet ./...
	$(GO) tool -modfile=tools/go.mod staticcheck ./...
	$(GO) mod verify

static: ## ingest and gameday without cgo, as deploy/Dockerfile builds ingest
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/static/ ./cmd/ingest ./cmd/gameday

images: ## the images of deploy/Dockerfile, built and started without Docker
	$(GO) test -tags images -count=1 -timeout 30m ./deploy

vuln: ## known vulnerabilities, where the database can be reached
	@tools/vuln.sh

licenses: ## the licence of every module the programs and their tests are built from, against an allow list
	cd tools && $(GO) test ./... && $(GO) run ./licenses

sbom: build ## what is in the three programs, as CycloneDX JSON: bin/sbom.cdx.json
	cd tools && $(GO) run ./sbom ../$(BIN)/ingest ../$(BIN)/blocker ../$(BIN)/gameday >../$(BIN)/sbom.cdx.json

reproducible: ## ingest built twice from two folders, byte by byte the same
	@GO="$(GO)" tools/reproducible.sh

race: ## the tests again under the race detector
	$(GO) test -race ./...

fuzz: ## each fuzz target for a short while; FUZZTIME=1m for longer
	@GO="$(GO)" FUZZTIME=$(FUZZTIME) tools/fuzz.sh

cards: ## how many ids of a million lines look like card numbers: the table of docs/card-data.md
	EDGEWARDEN_CARDS_LINES=1000000 $(GO) test ./internal/redact -count=1 -run '^(TestCorpus|TestPrecision)$$' -v

bench: ## benchmarks of every room; BENCH=regexp to choose
	$(GO) test -run '^$$' -bench '$(or $(BENCH),.)' -benchmem ./...

bench-peers: ## what a line costs, beside an OpenTelemetry Collector, in 10 minutes; ARGS="-lines 60000 -runs 1" for less
	cd bench && $(GO) run ./peers $(ARGS)

torture: ## kill -9 under load, 50 times; ARGS="-kills 5" for less
	cd bench && $(GO) run ./torture $(ARGS)

soak: ## ten minutes at 20,000 lines/s with Cloud Logging gone twice; ARGS="-for 1m -outage 6s" for less
	cd bench && $(GO) run ./soak $(ARGS)

verify-kubernetes: ## the manifests against Kubernetes' types and schemas, and applied to a real kube-apiserver (10 minutes to build, once)
	cd deploy/kubernetes/verify && $(GO) test -count=1 ./...
	cd deploy/kubernetes/verify/controlplane && CGO_ENABLED=0 $(GO) test -vet=off -trimpath -count=1 ./... # vet would look into all of Kubernetes

page: ## the page of a run in a real Chromium, with axe-core; PAGE_SHOTS=DIR keeps pictures
	@GO="$(GO)" tools/page.sh required

page-if-found: # the same in ci, where a browser may be missing
	@GO="$(GO)" tools/page.sh

# -count=1: what these tests read outside of their module is not noticed by the cache of results. -timeout: the emulator of
# BigQuery can need more than go test's ten minutes on a busy machine.
modules: ## checks that live in modules of their own (manifests, VCL, …)
	@test -n "$(TEST_MODULES)" || { echo 'no test module found'; exit 1; }
	@set -e; for dir in $(TEST_MODULES); do echo "== $$dir"; (cd $$dir && $(GO) test -count=1 -timeout 30m ./...); done
