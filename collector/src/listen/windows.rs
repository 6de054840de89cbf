//! What senders may have on its way to us before any request has read it: the windows of HTTP/2, whose sum over all connections is bounded.
//!
//! In: connections as they come and go. Out: the window that each may announce. Once announced it cannot be taken back, so one that comes late gets less.

use std::sync::Arc;

use parking_lot::Mutex;

/// Largest window of a connection, in bytes: what performance asks for as long as connections are few.
const CONNECTION_BYTES_MAX: u64 = 16 << 20;
/// Largest window of a stream: a body of the usual size goes out without waiting for updates.
const STREAM_BYTES_MAX: u32 = 4 << 20;
/// What every HTTP/2 connection begins with, whatever we announce.
const CONNECTION_BYTES_MIN: u64 = 65_535;
/// The part of all that the first connection gets. The nth gets 1/(n·√n) of that, which comes to less than three such parts for all.
const FIRST_SHARE: u64 = 3;

/// The windows of all connections. Cheap to clone; every clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Windows {
    bytes_max: u64,
    announced: Arc<Mutex<Announced>>,
}

#[derive(Debug, Default)]
struct Announced {
    n_connections: u64,
    n_bytes: u64,
}

/// The window of one connection, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Window {
    n_bytes: u64,
    of: Windows,
}

impl Windows {
    /// Windows of `bytes_max` in all, and beyond them the [`CONNECTION_BYTES_MIN`] of each connection for which nothing is left.
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            announced: Arc::default(),
        }
    }

    /// The window of one more connection.
    pub(crate) fn open(&self) -> Window {
        let mut announced = self.announced.lock();
        let nth = announced.n_connections + 1;
        let share = self.bytes_max / FIRST_SHARE / (nth * nth.isqrt());
        let left = self.bytes_max.saturating_sub(announced.n_bytes);
        let n_bytes = share
            .min(left)
            .clamp(CONNECTION_BYTES_MIN, CONNECTION_BYTES_MAX);
        announced.n_connections += 1;
        announced.n_bytes += n_bytes;
        Window {
            n_bytes,
            of: self.clone(),
        }
    }
}

impl Window {
    pub(crate) fn connection_bytes(&self) -> u32 {
        u32::try_from(self.n_bytes).unwrap_or(u32::MAX)
    }

    pub(crate) fn stream_bytes(&self) -> u32 {
        self.connection_bytes().min(STREAM_BYTES_MAX)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let mut announced = self.of.announced.lock();
        announced.n_connections -= 1;
        announced.n_bytes -= self.n_bytes;
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const ALL: u64 = 48 << 20;

    #[test]
    fn the_first_has_the_whole_window_and_the_more_there_are_the_less_each_gets() {
        let windows = Windows::new(ALL);
        let mut open: Vec<Window> = (0..64).map(|_| windows.open()).collect();
        let kib = |nth: usize| u64::from(open[nth].connection_bytes()) >> 10;
        assert_eq!(
            [kib(0), kib(1), kib(3), kib(15)],
            [16 << 10, 8 << 10, 2 << 10, 256]
        );
        assert_eq!(open[0].stream_bytes(), 4 << 20);
        assert_eq!(open[15].stream_bytes(), 256 << 10);
        assert_eq!(open[63].connection_bytes(), 65_535);
        open.clear();
        assert_eq!(windows.open().connection_bytes(), 16 << 20);
    }

    proptest! {
        #[test]
        fn all_windows_together_are_bounded_however_connections_come_and_go(steps in vec((any::<bool>(), any::<prop::sample::Index>()), 1..400)) {
            let windows = Windows::new(ALL);
            let mut open = Vec::new();
            for (opens, which) in steps {
                if opens || open.is_empty() {
                    open.push(windows.open());
                } else {
                    open.swap_remove(which.index(open.len()));
                }
                let sum: u64 = open.iter().map(|window| u64::from(window.connection_bytes())).sum();
                prop_assert!(sum <= ALL + open.len() as u64 * CONNECTION_BYTES_MIN);
            }
            open.clear();
            prop_assert_eq!(windows.announced.lock().n_bytes, 0);
        }
    }
}
