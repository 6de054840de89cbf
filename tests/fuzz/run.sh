#!/usr/bin/env bash
# Searches for inputs that break a promise, FUZZ_SECONDS a target: with cargo-fuzz where it and a nightly toolchain are, else by seeded changes of the corpus.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${FUZZ_SECONDS:-5}
if cargo +nightly fuzz --version >/dev/null 2>&1; then
    # What is searched is built from the versions that are shipped.
    cp ../../Cargo.lock cargo-fuzz/Cargo.lock
    cd cargo-fuzz
    cargo +nightly fuzz build --fuzz-dir .
    for file in fuzz_targets/*.rs; do
        target=$(basename "$file" .rs)
        mkdir -p "corpus/$target"
        cargo +nightly fuzz run --fuzz-dir . "$target" "corpus/$target" "../corpus/$target" -- \
            -max_total_time="$seconds" -rss_limit_mb=512 -timeout=1
    done
else
    echo "cargo-fuzz or a nightly toolchain is not here (rustup toolchain install nightly; cargo install cargo-fuzz): seeded changes of the corpus instead" >&2
    TRACEWELL_FUZZ_S=$seconds cargo test --locked --release -p tracewell-fuzz --test corpus -- --nocapture --test-threads 2
fi
