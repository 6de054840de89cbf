//! Whether the process takes work, and if not, what it waits for.

use std::sync::Arc;

use tokio::sync::watch;

/// What is still to be done before the process is ready, told by those who do it. Cheap to clone; every clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Readiness(Arc<watch::Sender<Vec<String>>>);

impl Readiness {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Vec::new())))
    }

    /// Not ready until [`Readiness::done`] is called with the same words.
    pub(crate) fn waiting_for(&self, what: &str) {
        self.0.send_modify(|waiting| waiting.push(what.to_owned()));
    }

    pub(crate) fn done(&self, what: &str) {
        self.0
            .send_modify(|waiting| waiting.retain(|one| one != what));
    }

    /// What is waited for; empty when ready.
    pub(crate) fn watch(&self) -> watch::Receiver<Vec<String>> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_waiting_for_nothing() {
        let readiness = Readiness::new();
        readiness.waiting_for("bus: recovery");
        readiness.waiting_for("sampler: take-over");
        readiness.done("bus: recovery");
        assert_eq!(*readiness.watch().borrow(), ["sampler: take-over"]);
        readiness.done("sampler: take-over");
        assert!(readiness.watch().borrow().is_empty());
    }
}
