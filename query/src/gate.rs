//! How many queries run at once, how long one waits for its turn, and how long it may run.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::config::Config;
use crate::refusal::{Kind, Refusal};

/// The turns of queries and of tails. A query holds its turn until its answer is made; sending it is not counted.
pub(crate) struct Gate {
    queries: Arc<Semaphore>,
    tails: Arc<Semaphore>,
    queue_wait: Duration,
    deadline: Duration,
    running_max: usize,
    tails_max: usize,
}

impl Gate {
    pub(crate) fn new(config: &Config) -> Self {
        let turns = |max: usize| Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        Self {
            queries: turns(config.running_max),
            tails: turns(config.tails_max),
            queue_wait: config.queue_wait,
            deadline: config.deadline,
            running_max: config.running_max,
            tails_max: config.tails_max,
        }
    }

    /// Waits for a turn and runs `query` within the deadline.
    pub(crate) async fn run<T>(&self, query: impl Future<Output = T>) -> Result<T, Refusal> {
        let busy = || {
            let text = format!(
                "{} queries run and this one waited {} s for its turn",
                self.running_max,
                self.queue_wait.as_secs()
            );
            Refusal::new(Kind::Busy, text)
        };
        let turn = timeout(self.queue_wait, self.queries.acquire()).await;
        let _turn = turn.map_err(|_| busy())?.map_err(|_| busy())?;
        let late = |_| {
            Refusal::new(
                Kind::Deadline,
                format!("the query did not end within {} s", self.deadline.as_secs()),
            )
        };
        timeout(self.deadline, query).await.map_err(late)
    }

    /// No tail begins any more, and those that stream end at their next look.
    pub(crate) fn end_tails(&self) {
        self.tails.close();
    }

    pub(crate) fn tails_ended(&self) -> bool {
        self.tails.is_closed()
    }

    /// A turn for a tail, held as long as it streams; refused at once if there is none.
    pub(crate) fn tail(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let busy = |_| {
            Refusal::new(
                Kind::Busy,
                format!(
                    "{} tails are served, which is as many as may be",
                    self.tails_max
                ),
            )
        };
        self.tails.clone().try_acquire_owned().map_err(busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(running_max: usize) -> Gate {
        Gate::new(&Config {
            running_max,
            tails_max: 1,
            queue_wait: Duration::ZERO,
            deadline: Duration::ZERO,
            ..Config::default()
        })
    }

    #[tokio::test]
    async fn a_query_without_a_turn_is_busy() {
        let refused = gate(0).run(async {}).await.expect_err("no turn");
        assert_eq!(
            (refused.kind, refused.text.as_str()),
            (
                Kind::Busy,
                "0 queries run and this one waited 0 s for its turn"
            )
        );
    }

    #[tokio::test]
    async fn a_query_past_its_deadline_is_given_up_and_its_turn_is_free_again() {
        let gate = gate(1);
        for _ in 0..2 {
            assert_eq!(
                gate.run(std::future::pending::<()>())
                    .await
                    .expect_err("late")
                    .kind,
                Kind::Deadline
            );
        }
        assert_eq!(gate.run(async { 7 }).await, Ok(7));
    }

    #[test]
    fn one_tail_more_than_may_be_is_refused() {
        let gate = gate(1);
        let held = gate.tail().expect("the first");
        assert_eq!(gate.tail().expect_err("the second").kind, Kind::Busy);
        drop(held);
        assert!(gate.tail().is_ok());
    }
}
