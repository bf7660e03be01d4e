# The two commands of the README are `make run` and `make test`; both are safe to repeat.

.PHONY: run web test test-llm setup lint release crash workers load fuzz hooks rates judge real-crm bench-live bench-memory bench-encoder bench-hear shots

# Where the system's Node is too old, .ci/setup puts a newer one there.
export PATH := $(CURDIR)/target/node-22/node_modules/.bin:$(PATH)

run: release
	target/release/dealstage analyze fixtures/audio/discovery-en.opus --call-date 2025-03-12
	@echo
	@echo "That was fixtures/audio/discovery-en.opus. Next, try:"
	@echo "  target/release/dealstage analyze fixtures/audio/discovery-ru.opus --call-date 2025-04-16"
	@echo "  target/release/dealstage analyze YOUR-RECORDING-OR-TRANSCRIPT"
	@echo "  target/release/dealstage analyze YOUR-FILE --json --out analysis.json"
	@echo "  target/release/dealstage --help"

# One build for everything: the binary that fetches the weights is the one that the tests run. `cargo run` would build another,
# without the features that tests add to libraries.
test: setup web
	cargo test --locked --no-run
	target/debug/dealstage models pull
	cargo fmt --check
	cd web && npm run --silent types && npm run --silent check && npm run --silent format
	.ci/with-servers cargo test --locked
	cd web && npm run --silent test

# The page, as the program holds it. Packages are fetched where the list of them has changed.
web: setup
	.ci/web

# Pictures of the main pages, in web/tests/shots.
shots: web
	cargo build --locked
	target/debug/dealstage models pull
	cd web && node tests/shots.mjs

# Against a language model on this machine, which it builds first.
test-llm: setup
	cargo run --locked --quiet -- models pull
	.ci/test-llm

lint: setup
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

# The programs of benches/, which take minutes; its README says what each shows.
release: setup web
	cargo build --release --locked
	target/release/dealstage models pull

service = --binary target/release/dealstage

crash: release
	benches/crash.py $(service)
	benches/crash.py $(service) --after-answer 100
	.ci/with-servers benches/crash.py $(service) --store postgres
	.ci/with-servers benches/crash.py $(service) --store postgres --after-answer 100
	benches/durable.py $(service)
	benches/deliver.py $(service) --cuts 100
	benches/deliver.py $(service) --kills 200
	benches/deliver.py $(service) --failpoints
	benches/deliver.py $(service) --faults 100
	.ci/with-servers benches/deliver.py $(service) --store postgres --cuts 20
	.ci/with-servers benches/deliver.py $(service) --store postgres --kills 10 --longest 100 --calls 10

workers: release
	benches/workers.py $(service)

load: release
	benches/load.py $(service)
	.ci/with-servers benches/load.py $(service) --store postgres

fuzz: release
	benches/fuzz.py $(service)

hooks: release
	benches/hooks.py $(service)
	.ci/with-servers benches/hooks.py $(service) --store postgres

rates: release
	benches/rates.py $(service)

judge: release
	benches/judge/judge.py $(service)

real-crm: release
	benches/real_crm.py $(service) --crm tryton
	.ci/with-servers benches/real_crm.py $(service) --crm bottlecrm

bench-hear: release
	benches/hear/score_test.py
	benches/hear.py $(service)

bench-live: release
	benches/live.py $(service)

bench-memory: release
	benches/memory.py $(service)

bench-encoder: release
	benches/encoder.py $(service)

setup:
	@.ci/setup
