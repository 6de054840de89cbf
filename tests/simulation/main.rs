//! The contract of the log, by seed: whatever happens, everybody who reads the same records seals the same epochs, and nothing acknowledged is lost.
//!
//! `TRACEWELL_SIM_SEEDS=10000` runs as many seeds; `TRACEWELL_SIM_SEED=7` runs that one alone.

mod check;
mod edges;
mod everyone;
mod pure;
mod red;
mod shell;
mod told;
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

/// Runs `check` on every seed, on every core; tells the first seed that fails, with the command that replays it.
fn for_each_seed(test: &str, n: u64, check: impl Fn(u64) -> Result<(), String> + Sync) {
    let seeds = seeds(n);
    let failed: Vec<(u64, String)> = on_every_core(&seeds, &check);
    if let Some((seed, told)) = failed.first() {
        panic!(
            "{} of {} seeds fail; seed {seed}: {told}\nreplay: TRACEWELL_SIM_SEED={seed} cargo test -p tracewell-tests --test simulation -- {test}",
            failed.len(),
            seeds.len()
        );
    }
}

/// How many of `n` seeds notice a broken rule.
fn n_noticed(n: u64, check: impl Fn(u64) -> Result<(), String> + Sync) -> usize {
    on_every_core(&(0..n).collect::<Vec<_>>(), &check).len()
}

fn on_every_core(
    seeds: &[u64],
    check: &(impl Fn(u64) -> Result<(), String> + Sync),
) -> Vec<(u64, String)> {
    let n_cores = std::thread::available_parallelism().map_or(1, usize::from);
    let run = |core: usize| {
        let mine = seeds.iter().skip(core).step_by(n_cores);
        mine.filter_map(|seed| Some((*seed, check(*seed).err()?)))
            .collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let cores: Vec<_> = (0..n_cores)
            .map(|core| scope.spawn(move || run(core)))
            .collect();
        let mut failed: Vec<_> = cores
            .into_iter()
            .flat_map(|core| core.join().expect("a check does not panic"))
            .collect();
        failed.sort_unstable();
        failed
    })
}
