//! A log that keeps records in memory, or does not, as a test wants.

use std::future::Future;
use std::sync::Arc;

use bus::{
    Appended, Assignment, Commit, Consumer, Draft, Fetched, Log, LogError, Member, Offset,
    PublishError, Record, Start, Topic, TopicPartition,
};
use parking_lot::Mutex;
use tokio::sync::watch;

/// What happens to the next drafts.
#[derive(Clone, Copy)]
pub(crate) enum Mood {
    Takes,
    Refuses(fn() -> PublishError),
    /// Does not confirm until it is in another mood.
    Hangs,
    Panics,
}

#[derive(Clone)]
pub(crate) struct MemoryLog {
    n_partitions: u32,
    mood: watch::Sender<Mood>,
    state: Arc<Mutex<State>>,
}

struct State {
    drafts: Vec<Draft>,
    n_appends: u64,
}

impl MemoryLog {
    pub(crate) fn new(n_partitions: u32) -> Self {
        let state = State {
            drafts: Vec::new(),
            n_appends: 0,
        };
        Self {
            n_partitions,
            mood: watch::Sender::new(Mood::Takes),
            state: Arc::new(Mutex::new(state)),
        }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// All drafts so far, which are forgotten.
    pub(crate) fn take(&self) -> Vec<Draft> {
        std::mem::take(&mut self.state.lock().drafts)
    }

    pub(crate) fn n_appends(&self) -> u64 {
        self.state.lock().n_appends
    }

    fn keep(&self, drafts: Vec<Draft>) -> Result<Vec<Appended>, PublishError> {
        let mut state = self.state.lock();
        let first = state.drafts.len() as u64;
        let appended = drafts
            .iter()
            .zip(first..)
            .map(|(draft, at)| Appended {
                of: draft.to,
                offset: Offset(at),
            })
            .collect();
        state.drafts.extend(drafts);
        Ok(appended)
    }
}

/// Nobody reads this log.
pub(crate) enum Nobody {}

impl Member for Nobody {
    async fn next(&mut self) -> Result<Assignment, LogError> {
        match *self {}
    }
}

impl Consumer for Nobody {
    async fn next(&mut self) -> Result<Fetched, LogError> {
        match *self {}
    }
}

impl Log for MemoryLog {
    type Member = Nobody;
    type Consumer = Nobody;

    fn n_partitions(&self, _topic: Topic) -> u32 {
        self.n_partitions
    }

    fn append(
        &self,
        drafts: Vec<Draft>,
    ) -> impl Future<Output = Result<Vec<Appended>, PublishError>> + Send {
        self.state.lock().n_appends += 1;
        let log = self.clone();
        async move {
            let mut moods = log.mood.subscribe();
            let settled = moods.wait_for(|mood| !matches!(mood, Mood::Hangs)).await;
            let mood = *settled.expect("the log has the sender");
            match mood {
                Mood::Takes => log.keep(drafts),
                Mood::Refuses(why) => Err(why()),
                Mood::Panics => panic!("the log panics, as the test wants"),
                Mood::Hangs => unreachable!("it has settled"),
            }
        }
    }

    async fn join(&self, _topic: Topic) -> Result<Nobody, LogError> {
        Err(LogError::Closed)
    }

    async fn consume(&self, _of: TopicPartition, _start: Start) -> Result<Nobody, LogError> {
        Err(LogError::Closed)
    }

    async fn fetch(
        &self,
        _of: TopicPartition,
        _offsets: &[Offset],
    ) -> Result<Vec<Record>, LogError> {
        Err(LogError::Closed)
    }

    async fn committed(&self, _of: TopicPartition) -> Result<Option<Commit>, LogError> {
        Err(LogError::Closed)
    }

    async fn commit(&self, _of: TopicPartition, _commit: Commit) -> Result<(), LogError> {
        Err(LogError::Closed)
    }
}
