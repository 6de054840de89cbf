//! The machine over `points` by seed: whatever happens, everybody who reads the same records seals the same blocks, and every total is exact.
//!
//! `TRACEWELL_SIM_SEEDS=10000` runs as many seeds; `TRACEWELL_SIM_SEED=7` runs that one alone.

mod pure;
mod shell;
mod traffic;

/// The seeds of this run: `n` of them, unless the environment says otherwise.
#[expect(
    clippy::disallowed_methods,
    reason = "how many seeds a test runs is no configuration of the product"
)]
fn seeds(n: u64) -> Vec<u64> {
    let number = |key: &str| std::env::var(key).ok().and_then(|text| text.parse().ok());
    if let Some(seed) = number("TRACEWELL_SIM_SEED") {
        return vec![seed];
    }
    let n = number("TRACEWELL_SIM_SEEDS").map_or(n, |wanted: u64| wanted * n / 200);
    (0..n.max(1)).collect()
}

/// Runs `check` on every seed; tells the first that fails, with the command that replays it.
fn for_each_seed(test: &str, n: u64, check: impl Fn(u64) -> Result<(), String>) {
    for seed in seeds(n) {
        if let Err(told) = check(seed) {
            panic!(
                "seed {seed}: {told}\nreplay: TRACEWELL_SIM_SEED={seed} cargo test -p tracewell-metrics --test simulation -- {test}"
            );
        }
    }
}

/// Whether one of `n` seeds notices a broken rule.
fn is_noticed(n: u64, check: impl Fn(u64) -> Result<(), String>) -> bool {
    (0..n).any(|seed| check(seed).is_err())
}
