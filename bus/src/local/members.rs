//! Who owns which partition among the members of one process: an even split in order of joining.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use crate::{Assignment, LogError, Member, Partition, Topic};

/// Everyone who joined, by topic.
#[derive(Debug, Clone)]
pub(crate) struct Members(Arc<watch::Sender<Joined>>);

#[derive(Debug, Default)]
struct Joined {
    next_id: u64,
    members: BTreeMap<Topic, Vec<u64>>,
}

/// A member of a topic's consumers. Dropping it leaves.
#[derive(Debug)]
pub struct LocalMember {
    members: Members,
    topic: Topic,
    id: u64,
    n_partitions: u32,
    owned: BTreeSet<Partition>,
    changes: watch::Receiver<Joined>,
}

impl Members {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::default()))
    }

    pub(crate) fn join(&self, topic: Topic, n_partitions: u32) -> LocalMember {
        let mut id = 0;
        self.0.send_modify(|joined| {
            id = joined.next_id;
            joined.next_id += 1;
            joined.members.entry(topic).or_default().push(id);
        });
        LocalMember {
            members: self.clone(),
            topic,
            id,
            n_partitions,
            owned: BTreeSet::new(),
            changes: self.0.subscribe(),
        }
    }
}

impl Joined {
    /// Every k-th partition for the k-th member.
    fn share(&self, topic: Topic, id: u64, n_partitions: u32) -> BTreeSet<Partition> {
        let members = self.members.get(&topic).map_or(&[][..], Vec::as_slice);
        let Some(idx) = members.iter().position(|member| *member == id) else {
            return BTreeSet::new();
        };
        (0..n_partitions)
            .skip(idx)
            .step_by(members.len())
            .map(Partition)
            .collect()
    }
}

impl Member for LocalMember {
    async fn next(&mut self) -> Result<Assignment, LogError> {
        loop {
            let share =
                self.changes
                    .borrow_and_update()
                    .share(self.topic, self.id, self.n_partitions);
            if let Some(partition) = self.owned.difference(&share).next().copied() {
                self.owned.remove(&partition);
                return Ok(Assignment::Revoked(partition));
            }
            if let Some(partition) = share.difference(&self.owned).next().copied() {
                self.owned.insert(partition);
                return Ok(Assignment::Assigned(partition));
            }
            self.changes.changed().await.map_err(|_| LogError::Closed)?;
        }
    }
}

impl Drop for LocalMember {
    fn drop(&mut self) {
        self.members.0.send_modify(|joined| {
            let members = joined.members.entry(self.topic).or_default();
            members.retain(|member| *member != self.id);
        });
    }
}
