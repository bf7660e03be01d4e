# The two commands of the README are `make run` and `make test`; both are safe to repeat.

.PHONY: run test test-llm setup lint

run: setup
	cargo build --release --locked
	target/release/dealstage models pull
	target/release/dealstage analyze fixtures/audio/discovery-en.opus --call-date 2025-03-12
	@echo
	@echo "That was fixtures/audio/discovery-en.opus. Next, try:"
	@echo "  target/release/dealstage analyze fixtures/audio/discovery-ru.opus --call-date 2025-04-16"
	@echo "  target/release/dealstage analyze YOUR-RECORDING-OR-TRANSCRIPT"
	@echo "  target/release/dealstage analyze YOUR-FILE --json --out analysis.json"
	@echo "  target/release/dealstage --help"

# One profile for everything: the binary that fetches the weights is the one that the tests run.
test: setup
	cargo test --locked --no-run
	cargo run --locked --quiet -- models pull
	cargo fmt --check
	.ci/with-servers cargo test --locked

# Against a language model on this machine, which it builds first.
test-llm: setup
	cargo run --locked --quiet -- models pull
	.ci/test-llm

lint: setup
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

setup:
	@.ci/setup
