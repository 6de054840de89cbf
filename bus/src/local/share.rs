//! How much may wait to be written. Senders and owners have a share each: a queue that senders keep full must not keep out what a stage says of what it
//! read, or nothing is sealed for as long as they press.

use crate::{Draft, Kind, PublishError, Topic};

/// Bytes that owners may have waiting. Their requests are few, and a larger one gets in alone.
pub(super) const OWN_BYTES_MAX: u64 = 16 << 20;

/// One share of the queue.
#[derive(Debug)]
pub(super) struct Share {
    queued_bytes: u64,
    queued_bytes_max: u64,
}

impl Share {
    pub(super) fn new(queued_bytes_max: u64) -> Self {
        Self {
            queued_bytes: 0,
            queued_bytes_max,
        }
    }

    pub(super) fn queued_bytes(&self) -> u64 {
        self.queued_bytes
    }

    /// Takes room. A request larger than the whole share still gets in when nothing else of it waits.
    ///
    /// # Errors
    /// When the share is full.
    pub(super) fn take(&mut self, n_bytes: u64) -> Result<(), PublishError> {
        if self.queued_bytes > 0 && self.queued_bytes + n_bytes > self.queued_bytes_max {
            return Err(PublishError::Full {
                queued_bytes: self.queued_bytes,
                queued_bytes_max: self.queued_bytes_max,
            });
        }
        self.queued_bytes += n_bytes;
        Ok(())
    }

    pub(super) fn give_back(&mut self, n_bytes: u64) {
        self.queued_bytes = self.queued_bytes.saturating_sub(n_bytes);
    }
}

/// Whether an owner says this, and no sender sent it.
pub(super) fn is_own(draft: &Draft) -> bool {
    draft.to.topic == Topic::DeadLetters
        || match draft.header.kind {
            Kind::Tick | Kind::Control | Kind::Derived => true,
            Kind::Otlp | Kind::RemoteWrite1 => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_full_at_its_bound_and_has_room_again() {
        let mut share = Share::new(100);
        for (n_bytes, fits) in [(60, true), (40, true), (1, false)] {
            assert_eq!(share.take(n_bytes).is_ok(), fits, "{n_bytes}");
        }
        share.give_back(60);
        assert!(share.take(61).is_err() && share.take(60).is_ok());
        share.give_back(100);
        assert!(share.take(1_000).is_ok(), "alone, whatever its size");
        assert!(share.take(1).is_err());
        assert_eq!(share.queued_bytes(), 1_000);
    }
}
