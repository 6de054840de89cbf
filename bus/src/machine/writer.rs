//! The writer beside a loop: does the effects of seals in order while the machine goes on, and tries again what fails. In: seals. Out: [`Durable`]s.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::{Durable, EffectError};
use crate::log::BoxError;

/// Seals that the writer has. Beside it there is the one that the machine is making, or that waits: what seals hold is large.
const SEALS_WRITING_MAX: usize = 1;
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// How a stage stores what its machine sealed.
pub trait Write<S>: Send + Sync {
    /// Does all effects of a seal, the ledger entry last. Harmless twice.
    fn write(&self, seal: &S) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Tells that [`Write::write`] failed; it is tried again until it succeeds, since a partition that waits loses nothing.
    fn failed(&self, seal: &S, error: &BoxError);

    /// Every effect of the seal is acked.
    fn written(&self, seal: &S);

    fn durable(&self, seal: &S) -> Durable;

    /// Whether a seal is told to be durable before its effects are, which a test does on purpose; its ledger entry is there then.
    #[cfg(feature = "testing")]
    fn told_too_early(&self, _seal: &S) -> impl Future<Output = bool> + Send {
        std::future::ready(false)
    }
}

/// The loop's end of a writer.
#[derive(Debug)]
pub struct Seals<S> {
    turns: Arc<Semaphore>,
    seals: mpsc::Sender<Turn<S>>,
    durable: mpsc::Receiver<Durable>,
    /// The newest that was told while a seal waited for its turn.
    told: Option<Durable>,
}

/// The writer's end.
#[derive(Debug)]
pub struct Sealed<S> {
    seals: mpsc::Receiver<Turn<S>>,
    durable: mpsc::Sender<Durable>,
}

/// A seal, whose turn ends when it is written.
type Turn<S> = (S, OwnedSemaphorePermit);

/// The writer ended before the loop did.
#[derive(Debug, thiserror::Error)]
#[error("the writer of seals stopped")]
struct WriterGone;

/// The way between a loop and its writer.
#[must_use]
pub fn seals<S>() -> (Seals<S>, Sealed<S>) {
    let (to_writer, seals) = mpsc::channel(SEALS_WRITING_MAX);
    let (to_loop, durable) = mpsc::channel(SEALS_WRITING_MAX);
    let loops_end = Seals {
        turns: Arc::new(Semaphore::new(SEALS_WRITING_MAX)),
        seals: to_writer,
        durable,
        told: None,
    };
    let writers_end = Sealed {
        seals,
        durable: to_loop,
    };
    (loops_end, writers_end)
}

impl<S: Send> Seals<S> {
    /// As [`super::Effects::write`]: waits until what was sealed before is written, and listens to the writer meanwhile, which waits to be heard.
    ///
    /// # Errors
    /// When the writer has ended.
    pub async fn write(&mut self, seal: S) -> Result<(), EffectError> {
        let gone = || EffectError(Box::new(WriterGone));
        let mut turn = std::pin::pin!(Arc::clone(&self.turns).acquire_owned());
        let turn = loop {
            tokio::select! {
                turn = &mut turn => break turn.map_err(|_| gone())?,
                durable = self.durable.recv() => self.told = Some(durable.ok_or_else(gone)?),
            }
        };
        self.seals.send((seal, turn)).await.map_err(|_| gone())
    }

    /// As [`super::Effects::durable`]. Cancel-safe.
    ///
    /// # Errors
    /// When the writer has ended.
    pub async fn durable(&mut self) -> Result<Durable, EffectError> {
        // What is told later includes what was told before.
        if let Some(durable) = self.told.take() {
            return Ok(durable);
        }
        let durable = self.durable.recv().await;
        durable.ok_or_else(|| EffectError(Box::new(WriterGone)))
    }
}

/// Writes until no more seals come or `stop` fires; a seal that is cut off is made again by whoever takes over.
pub async fn write_all<S: Send + Sync>(
    writer: impl Write<S>,
    mut sealed: Sealed<S>,
    stop: CancellationToken,
) {
    while let Some((seal, turn)) =
        tokio::select! { seal = sealed.seals.recv() => seal, () = stop.cancelled() => None }
    {
        #[cfg(feature = "testing")]
        if writer.told_too_early(&seal).await {
            let told = sealed.durable.send(writer.durable(&seal)).await;
            if told.is_err() {
                return;
            }
        }
        tokio::select! { () = until_written(&writer, &seal) => {}, () = stop.cancelled() => return }
        writer.written(&seal);
        drop(turn);
        if sealed.durable.send(writer.durable(&seal)).await.is_err() {
            return;
        }
    }
}

/// Tries for ever: the store is down, or the disk is full, until it is not.
async fn until_written<S: Send + Sync>(writer: &impl Write<S>, seal: &S) {
    let mut wait = RETRY_FIRST;
    while let Err(error) = writer.write(seal).await {
        writer.failed(seal, &error);
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Commit, Offset};

    struct AtOnce;

    impl Write<u64> for AtOnce {
        async fn write(&self, _seal: &u64) -> Result<(), BoxError> {
            Ok(())
        }

        fn failed(&self, _seal: &u64, _error: &BoxError) {}

        fn written(&self, _seal: &u64) {}

        fn durable(&self, seal: &u64) -> Durable {
            let offset = Offset(*seal);
            Durable {
                commit: Commit {
                    offset,
                    end_offset: offset,
                },
                chain_from: offset,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_seals_of_one_batch_are_written_while_nobody_asks_what_is_durable() {
        let (mut seals, sealed) = seals();
        let stop = CancellationToken::new();
        let machine = async {
            for seal in 1..=100 {
                let written = tokio::time::timeout(RETRY_MAX, seals.write(seal)).await;
                written
                    .expect("it has its turn")
                    .expect("the writer is there");
            }
            let mut newest = Offset(0);
            while newest < Offset(100) {
                let durable = tokio::time::timeout(RETRY_MAX, seals.durable()).await;
                let durable = durable.expect("it is told").expect("the writer is there");
                assert!(durable.commit.end_offset > newest, "each is newer");
                newest = durable.commit.end_offset;
            }
            stop.cancel();
        };
        tokio::join!(machine, write_all(AtOnce, sealed, stop.clone()));
    }

    #[tokio::test]
    async fn a_writer_that_is_gone_is_an_error() {
        let (mut seals, sealed) = seals();
        drop(sealed);
        assert!(seals.write(1_u64).await.is_err());
        assert!(seals.durable().await.is_err());
    }
}
