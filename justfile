# Short names for what contributors do. `just` lists them; each line shows the command itself.

export CARGO_PROFILE_DEV_DEBUG := "line-tables-only"

# List the recipes
default:
    @just --list

# Check formatting, lints, documentation and tests that need no server
check: lint doc test

# Run the tests that need no server, or those whose names contain FILTER
test *FILTER:
    cargo test --all-features -- {{ FILTER }}

# Run the tests of the library's modules, or those whose names contain FILTER
unit *FILTER:
    cargo test --all-features --lib -- {{ FILTER }}

# Run the tests against a real InvokeAI with tiny models, which is installed first
live *FILTER:
    tests/server/run run --nodes tests/server/nodes -- cargo test --all-features --test live --test contract -- {{ FILTER }}

# Start a real InvokeAI with tiny models; prints its address and how to stop it
server *OPTIONS:
    tests/server/run start {{ OPTIONS }}

# Format everything
fmt:
    cargo fmt

# Check formatting and lints
lint:
    cargo fmt --check
    cargo clippy --all-targets --all-features -- -D warnings
    cargo clippy --no-default-features -- -D warnings

# Build the documentation; `just doc --open` shows it
doc *OPTIONS:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features {{ OPTIONS }}

# Write the targets of the links in the README and the guide; `docs/links` alone checks them
links: doc
    docs/links --update

# Run the benchmarks and print a report
bench *OPTIONS:
    cargo bench --all-features --bench report -- {{ OPTIONS }}

# Run the fuzz target TARGET for SECONDS
fuzz TARGET SECONDS="60":
    mkdir -p fuzz/target/corpus/{{ TARGET }}
    cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none {{ TARGET }} target/corpus/{{ TARGET }} corpus/{{ TARGET }} -- -max_total_time={{ SECONDS }} -max_len=16384

# Run everything that a change must pass, as CI does; `just ci lints` runs one section
ci *SECTION:
    .ci/run {{ SECTION }}

# Update the listings that tests compare: public API, operations, lowering rules, requests of the examples
listings:
    UPDATE_LISTINGS=1 cargo test --all-features --test offline -- public_api:: operations:: lowering:: as_recorded
