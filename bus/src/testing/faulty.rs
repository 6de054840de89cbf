//! A log around a log that refuses, loses answers and waits, by seed. What it lets through is the inner log's.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Seeded;
use crate::{
    Appended, Attempts, Commit, Consumer, Draft, Fetched, Log, LogError, Offset, PublishError,
    Record, Start, Topic, TopicPartition,
};

/// What goes wrong, each with its own probability per call.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Faults {
    /// An append fails and nothing was appended.
    pub append_refused: f64,
    /// An append fails although everything was appended.
    pub append_unanswered: f64,
    /// A read by a consumer fails; the next one gets the same records.
    pub consume: f64,
    /// A fetch fails.
    pub fetch: f64,
    /// A commit fails and nothing was committed.
    pub commit_refused: f64,
    /// A commit fails although it is durable.
    pub commit_unanswered: f64,
    /// Before and after each call others get up to this many turns.
    pub n_turns_max: u32,
}

/// A log that fails on purpose.
#[derive(Debug, Clone)]
pub struct Faulty<L> {
    inner: L,
    chance: Chance,
}

/// A consumer of a [`Faulty`] log.
#[derive(Debug)]
pub struct FaultyConsumer<C> {
    inner: C,
    chance: Chance,
}

/// The faults in force and the numbers that decide.
#[derive(Debug, Clone)]
struct Chance(Arc<Mutex<(Faults, Seeded)>>);

/// What a simulated failure says.
#[derive(Debug)]
struct Simulated(&'static str);

impl fmt::Display for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "simulated: {}", self.0)
    }
}

impl std::error::Error for Simulated {}

impl<L> Faulty<L> {
    #[must_use]
    pub fn new(inner: L, faults: Faults, seed: u64) -> Self {
        let chance = Chance(Arc::new(Mutex::new((faults, Seeded::new(seed)))));
        Self { inner, chance }
    }

    /// From now on these faults happen, also to consumers that are there already.
    pub fn set(&self, faults: Faults) {
        self.chance.0.lock().0 = faults;
    }

    /// The log inside.
    #[must_use]
    pub fn inner(&self) -> &L {
        &self.inner
    }
}

impl Chance {
    fn hits(&self, probability: impl Fn(&Faults) -> f64) -> bool {
        let (faults, seeded) = &mut *self.0.lock();
        let probability = probability(faults);
        probability > 0.0 && seeded.chance(probability)
    }

    /// Lets others go first.
    async fn wait(&self) {
        let n_turns = {
            let (faults, seeded) = &mut *self.0.lock();
            seeded.below(u64::from(faults.n_turns_max) + 1)
        };
        for _ in 0..n_turns {
            tokio::task::yield_now().await;
        }
    }

    fn fail(
        &self,
        probability: impl Fn(&Faults) -> f64,
        what: &'static str,
    ) -> Result<(), Simulated> {
        if self.hits(probability) {
            Err(Simulated(what))
        } else {
            Ok(())
        }
    }
}

impl From<Simulated> for PublishError {
    fn from(error: Simulated) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<Simulated> for LogError {
    fn from(error: Simulated) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl<L: Log> Log for Faulty<L> {
    type Member = L::Member;
    type Consumer = FaultyConsumer<L::Consumer>;

    fn n_partitions(&self, topic: Topic) -> u32 {
        self.inner.n_partitions(topic)
    }

    async fn append(&self, drafts: Vec<Draft>) -> Result<Vec<Appended>, PublishError> {
        self.chance.wait().await;
        self.chance
            .fail(|faults| faults.append_refused, "append refused")?;
        let appended = self.inner.append(drafts).await?;
        self.chance.wait().await;
        self.chance
            .fail(|faults| faults.append_unanswered, "append unanswered")?;
        Ok(appended)
    }

    async fn join(&self, topic: Topic) -> Result<L::Member, LogError> {
        self.inner.join(topic).await
    }

    async fn consume(&self, of: TopicPartition, start: Start) -> Result<Self::Consumer, LogError> {
        let inner = self.inner.consume(of, start).await?;
        Ok(FaultyConsumer {
            inner,
            chance: self.chance.clone(),
        })
    }

    async fn fetch(&self, of: TopicPartition, offsets: &[Offset]) -> Result<Vec<Record>, LogError> {
        self.chance.wait().await;
        self.chance.fail(|faults| faults.fetch, "fetch failed")?;
        self.inner.fetch(of, offsets).await
    }

    async fn committed(&self, of: TopicPartition) -> Result<Option<Commit>, LogError> {
        self.inner.committed(of).await
    }

    async fn commit(&self, of: TopicPartition, commit: Commit) -> Result<(), LogError> {
        self.chance.wait().await;
        self.chance
            .fail(|faults| faults.commit_refused, "commit refused")?;
        self.inner.commit(of, commit).await?;
        self.chance
            .fail(|faults| faults.commit_unanswered, "commit unanswered")?;
        Ok(())
    }

    fn attempts(&self) -> Attempts {
        self.inner.attempts()
    }
}

impl<C: Consumer> Consumer for FaultyConsumer<C> {
    async fn next(&mut self) -> Result<Fetched, LogError> {
        self.chance.wait().await;
        self.chance.fail(|faults| faults.consume, "read failed")?;
        self.inner.next().await
    }
}
