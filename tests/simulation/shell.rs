//! The whole way by seed: the real local log on a disk whose power is cut, the real loop, the real store behind a failing block store, one owner or two
//! at once. Whatever was acknowledged is found in the end, once.

mod counted;
mod found;
mod sent;
mod world;

use bus::machine::mutant::Mutant;

use crate::{for_each_seed, n_noticed};
use world::{Broken, World};

/// Lives and crashes, then a rest.
fn check(seed: u64, broken: Broken) -> Result<(), String> {
    let mut world = World::new(seed, broken);
    for _ in 0..2 + world.seeded.below(3) {
        let n_steps = 20 + world.seeded.below(300);
        process(world.live(n_steps))?;
        world.disk = world.disk.cut_power();
    }
    process(world.rest())
}

/// Runs a life in a runtime of its own, with a clock that jumps to the next thing that happens. Dropping it is the crash: work that was begun on the
/// block store may still end.
fn process<T>(life: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(life)
}

#[test]
fn whatever_was_acknowledged_is_found_once_after_any_number_of_crashes() {
    for_each_seed("whatever_was_acknowledged", 200, |seed| {
        check(seed, Broken::default())
    });
}

const MUTANT_SEEDS: u64 = 10;

#[track_caller]
fn must_be_noticed(broken: Broken) {
    assert!(
        n_noticed(MUTANT_SEEDS, |seed| check(seed, broken)) > 0,
        "nobody notices"
    );
}

#[test]
fn mutant_commit_before_the_effects_is_noticed() {
    must_be_noticed(Broken {
        rule: Mutant::CommitBeforeEffects,
        ..Broken::default()
    });
}

#[test]
fn mutant_auto_commit_is_noticed() {
    must_be_noticed(Broken {
        rule: Mutant::AutoCommit,
        ..Broken::default()
    });
}

#[test]
fn mutant_an_owner_without_ticks_is_noticed() {
    must_be_noticed(Broken {
        rule: Mutant::NoTicks,
        ..Broken::default()
    });
}

#[test]
fn mutant_acknowledging_before_the_fsync_is_noticed() {
    must_be_noticed(Broken {
        lying_disk: true,
        ..Broken::default()
    });
}
