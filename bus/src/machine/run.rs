//! The loop: records in order to the machine, seals in order to the effects, commits in order to the log, and ticks when nobody else speaks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use telemetry::{RecordTime, Tenant};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{Durable, Effects, Machine, RunError, TakenOver};
use crate::{
    Attempt, Consumer, Draft, Fetched, Header, Kind, Log, Record, RequestHash, TopicPartition,
};

/// Monotonic time without a record, at the end of the log, after which the owner appends a tick.
pub const TICK_AFTER: Duration = Duration::from_secs(1);

/// Feeds one partition, taken over by [`super::take_over`], to its machine. Returns when `stop` fires: what is not committed is read again.
///
/// # Errors
/// When the machine stopped, or the log or an effect failed. The partition can then be taken over anew.
pub async fn run<L: Log, M: Machine, E: Effects<M>>(
    log: &L,
    of: TopicPartition,
    taken: TakenOver<L::Consumer>,
    machine: &mut M,
    effects: &mut E,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let TakenOver {
        mut consumer,
        pending,
        mut at_end,
        ..
    } = taken;
    let mut attempt = log.attempts().begin(of).map_err(RunError::Attempts)?;
    apply(pending, machine, effects, &mut attempt, stop).await?;
    if at_end {
        reach_end(log, machine, effects).await;
    }
    let mut quiet_since = Instant::now();
    while !stop.is_cancelled() {
        tokio::select! {
            () = stop.cancelled() => break,
            durable = effects.durable() => commit(log, of, durable?, effects).await?,
            fetched = consumer.next() => match fetched? {
                Fetched::Records(records) => {
                    at_end = false;
                    #[cfg(feature = "testing")]
                    let newest = records.last().map(|record| record.offset);
                    apply(records, machine, effects, &mut attempt, stop).await?;
                    #[cfg(feature = "testing")]
                    super::mutant::auto_commit(log, of, newest, effects.mutant()).await?;
                }
                Fetched::End => {
                    at_end = true;
                    quiet_since = Instant::now();
                    reach_end(log, machine, effects).await;
                }
            },
            () = sleep_until(quiet_since + TICK_AFTER), if at_end => {
                if let Some(control) = effects.control(machine) {
                    say_control(log, control, effects).await;
                } else if ticks(effects) {
                    say(log, tick(of)).await;
                }
                quiet_since = Instant::now();
            }
        }
    }
    Ok(())
}

/// Applies records one by one, leaving the thread to others in between.
async fn apply<M: Machine, E: Effects<M>>(
    records: Vec<Record>,
    machine: &mut M,
    effects: &mut E,
    attempt: &mut Attempt,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let mut left = records.as_slice();
    while let Some((record, later)) = left.split_first() {
        attempt.enter(left);
        if let Some(seal) = apply_one(record, machine, attempt)? {
            // Writing may take long, and who dies meanwhile does not die of a record.
            attempt.leave();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                written = effects.write(seal) => written?,
            }
        }
        left = later;
        tokio::task::yield_now().await;
    }
    attempt.leave();
    Ok(())
}

/// Applies a record, or as much of it as may be looked at. After a panic the machine is worth nothing: the partition is taken over anew.
fn apply_one<M: Machine>(
    record: &Record,
    machine: &mut M,
    attempt: &mut Attempt,
) -> Result<Option<M::Seal>, RunError> {
    let seen = attempt.skips().seen(record);
    let applied = catch_unwind(AssertUnwindSafe(|| {
        #[cfg(feature = "testing")]
        super::mutant::poison(&seen);
        machine.apply(&seen)
    }));
    applied.map_or_else(
        |_panic| {
            attempt.died(record.offset);
            Err(RunError::Died(record.offset))
        },
        |applied| Ok(applied?),
    )
}

async fn commit<L: Log, M: Machine, E: Effects<M>>(
    log: &L,
    of: TopicPartition,
    durable: Durable,
    effects: &mut E,
) -> Result<(), RunError> {
    log.commit(of, durable.commit).await?;
    effects.committed(durable).await?;
    Ok(())
}

/// Appends what the owner has to say. A log that takes nothing now (a full disk, absent brokers) is asked again a second later: shard time stands still
/// meanwhile, and nothing else can have come.
async fn say<L: Log>(log: &L, draft: Draft) -> bool {
    let (of, kind) = (draft.to, draft.header.kind);
    let appended = log.append(vec![draft]).await;
    if let Err(error) = &appended {
        tracing::debug!(%of, ?kind, %error, "the log did not take what the owner says; it is said again");
    }
    appended.is_ok()
}

async fn reach_end<L: Log, M: Machine, E: Effects<M>>(log: &L, machine: &M, effects: &mut E) {
    effects.caught_up();
    if let Some(control) = effects.control(machine) {
        say_control(log, control, effects).await;
    }
}

async fn say_control<L: Log, M: Machine, E: Effects<M>>(log: &L, control: Draft, effects: &mut E) {
    if say(log, control).await {
        effects.said();
    }
}

#[cfg(not(feature = "testing"))]
fn ticks<M: Machine>(_: &impl Effects<M>) -> bool {
    true
}

#[cfg(feature = "testing")]
fn ticks<M: Machine>(effects: &impl Effects<M>) -> bool {
    effects.mutant() != super::mutant::Mutant::NoTicks
}

/// Says that a second passed without a record.
#[must_use]
pub fn tick(to: TopicPartition) -> Draft {
    let header = Header {
        tenant: Tenant::default_tenant(),
        kind: Kind::Tick,
        accepted_at: RecordTime::default(),
        n_items: 0,
        request_hash: RequestHash(0),
        part: 0,
        historic: false,
    };
    Draft {
        to,
        header,
        payload: Bytes::new(),
    }
}
