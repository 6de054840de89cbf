//! How the process ends: codes of sysexits(3) where there is one, so that supervisors and scripts can tell causes apart.

use std::process::ExitCode;

/// Why the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// Failed, or found something wrong.
    Failed,
    /// Bad usage or configuration.
    Usage,
    /// An input file that cannot be read.
    BadInput,
    /// A server or a port that cannot be had.
    Unavailable,
    /// The data directory cannot be written, or another process has it.
    DataDirectory,
    /// Read-only after a failed fsync.
    Disk,
    /// A server that is overloaded or lags.
    TryAgain,
    NoPermission,
    Interrupted,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 64,
            Exit::BadInput => 65,
            Exit::Unavailable => 69,
            Exit::DataDirectory => 73,
            Exit::Disk => 74,
            Exit::TryAgain => 75,
            Exit::NoPermission => 77,
            Exit::Interrupted => 130,
        })
    }
}
