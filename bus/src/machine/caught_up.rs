//! Which partitions know all that the log had when their loop last came to its end. In: what the loops say. Out: whether an answer can be whole.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;

use crate::Partition;

/// Partitions of one topic whose machines have once reached the end of the log since they were taken over. Cheap to clone; every clone is the same.
///
/// A machine that was restored and has not yet read on does not know the newest records: what it cannot find may be there all the same.
#[derive(Debug, Clone)]
pub struct CaughtUp(Arc<watch::Sender<BTreeSet<Partition>>>);

impl Default for CaughtUp {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::default()))
    }
}

impl CaughtUp {
    pub fn insert(&self, partition: Partition) {
        self.0.send_if_modified(|all| all.insert(partition));
    }

    /// It is taken over anew, or by somebody else.
    pub fn remove(&self, partition: Partition) {
        self.0.send_if_modified(|all| all.remove(&partition));
    }

    #[must_use]
    pub fn contains(&self, partition: Partition) -> bool {
        self.0.borrow().contains(&partition)
    }

    /// Returns once `n_partitions` are caught up. Cancel-safe.
    pub async fn all(&self, n_partitions: u32) {
        let mut caught_up = self.0.subscribe();
        let all = caught_up.wait_for(|all| all.len() >= n_partitions as usize);
        if all.await.is_err() {
            std::future::pending().await
        }
    }
}
