//! The machine alone: one owner reads a whole log; then another takes over at every epoch of it, and all that follows must be equal.

use bus::machine::mutant::Mutant as LoopMutant;
use bus::machine::{LedgerEntry, Machine};
use bus::{Offset, Record};
use sampler::shard::EPOCH_MS;
use sampler::shard::mutant::Mutant as ShardMutant;
use sampler::{SealedEpoch, Shard};

use crate::check::{check_run, taken, told};
use crate::edges::check_edges;
use crate::red;
use crate::told::Said;
use crate::traffic::{self, N_PARTITIONS, OF};
use crate::{for_each_seed, n_noticed};

/// Rules that are broken on purpose, of the loop and of the shard.
#[derive(Clone, Default)]
struct Broken {
    of_the_loop: LoopMutant,
    of_the_shard: ShardMutant,
}

/// Kept spans of an epoch, so few that epochs end before their time now and then.
const EPOCH_SPANS_MAX: u64 = 10;

impl Broken {
    fn shard(&self) -> Shard {
        Shard::new(OF, N_PARTITIONS)
            .with_epoch_spans_max(EPOCH_SPANS_MAX)
            .mutated(self.of_the_shard.clone(), self.of_the_loop)
    }
}

fn run(shard: &mut Shard, log: &[Record]) -> Result<Vec<SealedEpoch>, String> {
    let mut sealed = Vec::new();
    for record in log {
        sealed.extend(shard.apply(record).map_err(|error| error.to_string())?);
    }
    Ok(sealed)
}

/// Does what `bus::machine::take_over` does, on a log in memory.
fn take_over(
    broken: &Broken,
    log: &[Record],
    sealed: &[SealedEpoch],
    at: usize,
) -> Result<Shard, String> {
    let newest = &sealed[at].entry;
    let find = |end: Offset| {
        sealed
            .iter()
            .find(|epoch| epoch.end_offset == end)
            .map(|epoch| epoch.entry.clone())
    };
    let chain: Vec<LedgerEntry> = newest
        .chain
        .iter()
        .filter_map(|link| find(link.end_offset))
        .collect();
    // as it lies in the store
    let chain: Result<Vec<_>, _> = chain
        .iter()
        .map(|entry| LedgerEntry::decode(&entry.encode()))
        .collect();
    let mut shard = broken.shard();
    shard
        .restore(&chain.map_err(|error| error.to_string())?)
        .map_err(|error| error.to_string())?;
    for record in log
        .iter()
        .filter(|r| r.offset >= newest.first_offset && r.offset < newest.end_offset)
    {
        shard.refold(record);
    }
    shard.resume();
    Ok(shard)
}

/// The log is cut behind what is open: what is gone is counted as lost, and nothing else differs in the accounts.
fn check_cut_log(seed: u64) -> Result<(), String> {
    let log = traffic::log(seed, true);
    let sealed = run(&mut Broken::default().shard(), &log)?;
    for at in (0..sealed.len()).step_by(5) {
        let epoch = &sealed[at];
        let cut = Offset((epoch.entry.first_offset.0 + epoch.end_offset.0) / 2);
        let left = &log[log.partition_point(|record| record.offset < cut)..];
        let mut shard = take_over(&Broken::default(), left, &sealed, at)?;
        run(
            &mut shard,
            &log[log.partition_point(|record| record.offset < epoch.end_offset)..],
        )?;
        let last = sealed.last().ok_or("no epoch was sealed")?;
        for ((tenant, found), (_, whole)) in shard.sorted_totals().iter().zip(&last.totals) {
            let settled = found.stored
                + found.sampled_out
                + found.dead_lettered
                + found.duplicates
                + found.lost;
            if settled != found.accepted || found.accepted < whole.accepted || shard.n_open() > 0 {
                return Err(format!(
                    "cut at epoch {at}, {tenant}: {found:?}, uncut {whole:?}"
                ));
            }
        }
    }
    Ok(())
}

fn check_take_overs(seed: u64, broken: &Broken) -> Result<(), String> {
    let log = traffic::log(seed, true);
    let mut first = broken.shard();
    let sealed = run(&mut first, &log)?;
    for at in 0..sealed.len() {
        let end = sealed[at].end_offset;
        let mut second = take_over(broken, &log, &sealed, at)?;
        let rest = log.partition_point(|record| record.offset < end);
        let again = run(&mut second, &log[rest..])?;
        let differs = sealed[at + 1..].iter().zip(&again).find(|(a, b)| a != b);
        if let Some((a, b)) = differs {
            return Err(format!(
                "take-over at epoch {at} (offset {end}) seals another epoch at {}: {}",
                a.end_offset,
                difference(a, b)
            ));
        }
        if again.len() != sealed.len() - at - 1 {
            return Err(format!(
                "take-over at epoch {at} seals {} epochs instead of {}",
                again.len(),
                sealed.len() - at - 1
            ));
        }
    }
    Ok(())
}

/// What is not equal, in few words.
fn difference(a: &SealedEpoch, b: &SealedEpoch) -> String {
    let of = |epoch: &SealedEpoch| {
        (
            epoch.kept.len(),
            epoch.totals.clone(),
            epoch.entry.first_offset,
            epoch.entry.chain.len(),
        )
    };
    if a.kept != b.kept {
        let first = a.kept.iter().zip(&b.kept).find(|(a, b)| a != b);
        return format!(
            "kept traces differ: {} and {}, first {first:?}",
            a.kept.len(),
            b.kept.len()
        );
    }
    format!(
        "{:?} and {:?}; entries equal: {}",
        of(a),
        of(b),
        a.entry == b.entry
    )
}

fn check_contract(seed: u64, with_ticks: bool, broken: &Broken) -> Result<(), String> {
    let log = traffic::log(seed, with_ticks);
    let mut shard = broken.shard();
    let sealed = run(&mut shard, &log)?;
    check_run(&log, &sealed, &shard)?;
    check_edges(&log, &told(&sealed, &shard), broken.shard())
}

#[test]
fn a_take_over_at_every_epoch_goes_on_as_if_nothing_had_happened() {
    for_each_seed("a_take_over", 200, |seed| {
        check_take_overs(seed, &Broken::default())
    });
}

#[test]
fn nothing_is_lost_split_or_stored_twice_and_the_accounts_are_exact() {
    for_each_seed("nothing_is_lost", 200, |seed| {
        check_contract(seed, true, &Broken::default())
    });
}

#[test]
fn a_log_that_was_cut_behind_what_is_open_loses_that_and_counts_it() {
    for_each_seed("a_log_that_was_cut", 100, check_cut_log);
}

/// Labels of an epoch's edges that tell of what kind they are: the connection, and which end was never seen.
fn kinds_of_edges(epoch: &SealedEpoch) -> impl Iterator<Item = String> + '_ {
    let series = epoch.red.tenants.iter().flat_map(|tenant| &tenant.series);
    let requests = series.filter(|series| series.name == service_map::edge::REQUESTS);
    requests.map(|series| {
        let label = |wanted: &str| {
            let found = series.labels.iter().find(|(name, _)| name == wanted);
            found.map_or("", |(_, value)| value)
        };
        format!("{} {}", label("connection_type"), label("virtual_node"))
    })
}

#[test]
fn the_traffic_meets_every_case() {
    let mut settled = std::collections::BTreeSet::new();
    let (mut n_late, mut n_dead, mut n_duplicates, mut n_dropped) = (0, 0, 0, 0);
    let (mut n_early, mut n_scheduled) = (0, 0);
    let mut said = Said::default();
    let (mut n_late_ends, mut edges) = (0, std::collections::BTreeSet::new());
    let phase_ms = u64::from(OF.partition.0) * (EPOCH_MS / 1_000) / u64::from(N_PARTITIONS) * 1_000;
    for seed in 0..5 {
        let log = traffic::log(seed, true);
        let sealed = run(&mut Broken::default().shard(), &log).expect("a run");
        settled.extend(
            sealed
                .iter()
                .flat_map(|epoch| &epoch.decided)
                .map(|decided| decided.settled),
        );
        n_late += sealed
            .iter()
            .map(|epoch| epoch.n_late.kept.min(1) + epoch.n_late.dropped.min(1))
            .sum::<u64>();
        red::say(&taken(&log), &mut said);
        n_late_ends += sealed.iter().map(|epoch| epoch.n_late.ends).sum::<u64>();
        edges.extend(sealed.iter().flat_map(kinds_of_edges));
        n_dead += sealed
            .iter()
            .map(|epoch| epoch.dead_letters.len())
            .sum::<usize>();
        let is_early = |epoch: &&SealedEpoch| epoch.sealed_at.ms % EPOCH_MS != phase_ms;
        n_early += sealed.iter().filter(is_early).count();
        n_scheduled += sealed.iter().filter(|epoch| !is_early(epoch)).count();
        let last = sealed.last().expect("an epoch");
        n_duplicates += last
            .totals
            .iter()
            .map(|(_, totals)| totals.duplicates)
            .sum::<u64>();
        n_dropped += last
            .totals
            .iter()
            .map(|(_, totals)| totals.sampled_out)
            .sum::<u64>();
    }
    assert_eq!(settled.len(), 5, "{settled:?}");
    assert!(n_late_ends > 20, "{n_late_ends}");
    assert!(said.n_coarse() > 20, "{}", said.n_coarse());
    let kinds = [
        " ",
        "database ",
        "messaging_system ",
        "messaging_system client",
        "messaging_system server",
        "virtual_node client",
        "virtual_node server",
    ];
    assert_eq!(edges.into_iter().collect::<Vec<_>>(), kinds);
    assert!(n_early > 5 && n_scheduled > 20, "{n_early} {n_scheduled}");
    assert!(
        n_late > 20 && n_dead > 5 && n_duplicates > 100 && n_dropped > 100,
        "{n_late} {n_dead} {n_duplicates} {n_dropped}"
    );
}

/// Seeds on which a broken rule is tried: one that notices is enough.
const MUTANT_SEEDS: u64 = 6;

#[track_caller]
fn must_differ(broken: &Broken) {
    assert!(
        n_noticed(MUTANT_SEEDS, |seed| check_take_overs(seed, broken)) > 0,
        "nobody notices"
    );
}

#[test]
fn mutant_reading_from_the_present_is_noticed() {
    must_differ(&Broken {
        of_the_loop: LoopMutant::FromPresent,
        ..Broken::default()
    });
}

#[test]
fn mutant_without_the_ledger_is_noticed() {
    must_differ(&Broken {
        of_the_loop: LoopMutant::NoLedger,
        ..Broken::default()
    });
}

#[test]
fn mutant_with_only_the_newest_entry_is_noticed() {
    must_differ(&Broken {
        of_the_loop: LoopMutant::NewestEntryOnly,
        ..Broken::default()
    });
}

#[test]
fn mutant_chance_for_the_traces_own_randomness_is_noticed() {
    must_differ(&Broken {
        of_the_shard: ShardMutant::RandomForHash(Default::default()),
        ..Broken::default()
    });
}

#[test]
fn mutant_the_hosts_clock_in_the_shard_is_noticed() {
    must_differ(&Broken {
        of_the_shard: ShardMutant::WallClock(Default::default()),
        ..Broken::default()
    });
}

#[test]
fn mutant_the_hosts_memory_for_the_formulas_is_noticed() {
    must_differ(&Broken {
        of_the_shard: ShardMutant::Rss(Default::default()),
        ..Broken::default()
    });
}

#[test]
fn mutant_request_hashes_ignored_is_noticed() {
    let broken = Broken {
        of_the_loop: LoopMutant::HashesIgnored,
        ..Broken::default()
    };
    assert!(
        n_noticed(MUTANT_SEEDS, |seed| check_contract(seed, true, &broken)) > 0,
        "nobody notices"
    );
}

#[test]
fn mutant_no_ticks_is_noticed() {
    assert!(
        n_noticed(MUTANT_SEEDS, |seed| check_contract(
            seed,
            false,
            &Broken::default()
        )) > 0,
        "nobody notices"
    );
}
