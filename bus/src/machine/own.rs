//! Ownership: the partitions that the log assigns to this process, each run by a task of its own until it is revoked. In: assignments. Out: tasks that
//! come and go.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::RunError;
use crate::{Assignment, Log, LogError, Member, Partition, Topic, TopicPartition};

/// Wait before a partition is taken over again after its loop failed.
const RETAKE_AFTER: Duration = Duration::from_secs(1);

/// What a stage does with the partitions it owns.
pub trait Owner: Send + Sync + 'static {
    const TOPIC: Topic;

    /// Takes a partition over and runs its loop until `stop` fires.
    fn run(
        &self,
        of: TopicPartition,
        stop: &CancellationToken,
    ) -> impl Future<Output = Result<(), RunError>> + Send;

    /// Tells that a loop failed; it is taken over again.
    fn failed(&self, of: TopicPartition, error: &RunError);

    /// The partition is this process's no more.
    fn released(&self, partition: Partition);
}

/// Why a stage ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    #[error("joining the consumers of {topic} failed: {cause}")]
    Join {
        topic: Topic,
        #[source]
        cause: LogError,
    },
    #[error("the machine of {of} stopped: {cause}")]
    Stopped { of: TopicPartition, cause: RunError },
    #[error("the task of a partition ended: {0}")]
    Task(#[from] JoinError),
}

/// Runs every partition that the log assigns, until `stop` fires.
///
/// # Errors
/// When the log lets nobody join, or a machine cannot go on without guessing.
pub async fn own<L: Log, O: Owner>(
    log: &L,
    owner: Arc<O>,
    stop: &CancellationToken,
) -> Result<(), OwnError> {
    let join = |cause| OwnError::Join {
        topic: O::TOPIC,
        cause,
    };
    let mut member = log.join(O::TOPIC).await.map_err(join)?;
    let mut owned: BTreeMap<Partition, CancellationToken> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = tasks.join_next() => ended??,
            assignment = member.next() => match assignment.map_err(join)? {
                Assignment::Assigned(partition) => {
                    let token = stop.child_token();
                    owned.insert(partition, token.clone());
                    tasks.spawn(own_one(owner.clone(), partition, token));
                }
                Assignment::Revoked(partition) => {
                    if let Some(token) = owned.remove(&partition) {
                        token.cancel();
                    }
                }
            },
        }
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

/// Owns a partition until `stop`: a loop that failed is taken over anew, as another process would.
async fn own_one<O: Owner>(
    owner: Arc<O>,
    partition: Partition,
    stop: CancellationToken,
) -> Result<(), OwnError> {
    let of = TopicPartition {
        topic: O::TOPIC,
        partition,
    };
    while !stop.is_cancelled() {
        match owner.run(of, &stop).await {
            Ok(()) => {}
            Err(cause @ RunError::Stopped(_)) => return Err(OwnError::Stopped { of, cause }),
            Err(_) if stop.is_cancelled() => {} // the writer may end before the loop
            Err(error) => {
                owner.failed(of, &error);
                tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(RETAKE_AFTER) => {} }
            }
        }
    }
    owner.released(partition);
    Ok(())
}
