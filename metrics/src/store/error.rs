//! Why the store does not answer or does not keep.

use blocks::BlocksError;

use crate::block::BuildError;
use crate::block::read::ReadError;

/// Why a selection has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    #[error("the query reads more than {samples_max} samples")]
    TooManySamples { samples_max: u64 },
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl SelectError {
    /// A block was merged into another or expired since the selection was made: whoever asks again reads what is there now.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Read(error) if error.is_gone())
    }
}

impl From<BlocksError> for SelectError {
    fn from(error: BlocksError) -> Self {
        Self::Read(error.into())
    }
}

/// Why a seal or a merge is not stored. It may be written again under the same name.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Blocks(#[from] BlocksError),
}
