# Entry points for people and for CI. Each target is one line of `make help`.
#
# The tests and the platform find PostgreSQL and nats-server themselves, or fetch them. To choose:
#   TIDINGS_POSTGRES_BIN=/usr/lib/postgresql/15/bin make test
#   TIDINGS_SERVERS=fetched make test

.DEFAULT_GOAL := help
.PHONY: help demo up test soak coverage bench clean-data

tidings := ./target/release/tidings

help: ## Shows this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: ## Builds, starts the platform with sample content, publishes it, and shows what happened
	cargo build --release --locked -p tidings-standalone -p tidings-sinks
	@# On a terminal it stays up; in a script it ends once everything has settled.
	@if [ -t 1 ]; then $(tidings) up --demo --data ./data/demo; else $(tidings) up --demo --exit-when-settled --data ./data/demo; fi

up: ## Builds and starts an empty, durable platform over ./data
	cargo build --release --locked -p tidings-standalone -p tidings-sinks
	$(tidings) up --token --data ./data

test: ## Runs everything that CI runs, with the time of each step
	@deploy/steps.sh \
	  'format' 'cargo fmt --all --check' \
	  'lint' 'cargo clippy --workspace --all-targets --locked -- -D warnings' \
	  'lint as released' 'cargo clippy --workspace --all-targets --release --features tidings-bench/peers --locked -- -D warnings' \
	  'build' 'cargo test --workspace --locked --no-run' \
	  'test' 'cargo test --workspace --locked --no-fail-fast'

soak: ## Kills, freezes and starves the platform, run after run, for MINUTES=30 or RUNS=200; a printed seed replays a run
	@deploy/soak.sh "$(or $(MINUTES),$(if $(RUNS),,30))" "$(RUNS)"

coverage: ## Measures line coverage; fails below 85 %
	deploy/coverage.sh 85

bench: ## Runs the benchmarks into target/bench/results.json
	cargo build --release --locked -p tidings-standalone -p tidings-bench
	./target/release/tidings-bench

clean-data: ## Stops the private servers of ./data and ./data/demo and removes their data
	@deploy/clean-data.sh ./data/demo ./data
