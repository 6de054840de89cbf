//! The policy that is wanted: kept in the block store, written into each partition by its owner where an older one is in force.

use blocks::{BlockStore, Blocks, BlocksError};
use bus::{Draft, TopicPartition};
use bytes::Bytes;

use crate::control::{Control, ControlError};

const SCOPE: &str = "policy";
const KEY: &str = "spans";

/// A revision and its text. Revisions only grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedPolicy {
    revision: u64,
    text: String,
}

/// Why the wanted policy cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum WantedPolicyError {
    #[error("the stored policy cannot be read: {0}")]
    Blocks(#[from] BlocksError),
    #[error("the stored policy is not of this release: {0}")]
    Control(#[from] ControlError),
}

impl WantedPolicy {
    /// What the store wants, or, if `configured` differs from it, that as the next revision, now stored.
    pub(crate) async fn load(
        blocks: &Blocks,
        configured: String,
    ) -> Result<Self, WantedPolicyError> {
        let stored = match blocks.kv_get(SCOPE, KEY).await? {
            None => None,
            Some(bytes) => {
                let Control::Policy { revision, text } = Control::decode(&bytes)?;
                Some(Self {
                    revision,
                    text: text.to_owned(),
                })
            }
        };
        if let Some(same) = stored.clone().filter(|stored| stored.text == configured) {
            return Ok(same);
        }
        let wanted = Self {
            revision: stored.map_or(1, |stored| stored.revision + 1),
            text: configured,
        };
        blocks.kv_put(SCOPE, KEY, wanted.encode()).await?;
        tracing::info!(
            code = "TW4001",
            revision = wanted.revision,
            "a new sampling policy is written into every partition"
        );
        Ok(wanted)
    }

    fn encode(&self) -> Bytes {
        self.control().encode()
    }

    fn control(&self) -> Control<'_> {
        Control::Policy {
            revision: self.revision,
            text: &self.text,
        }
    }

    /// The record that puts it in force, where an older one is.
    pub(crate) fn draft_if_newer(&self, of: TopicPartition, in_force: u64) -> Option<Draft> {
        (in_force < self.revision).then(|| self.control().draft(of))
    }
}
