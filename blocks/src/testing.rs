//! A block store that fails by a seed: before the effect, after it ("done, but an error came back"), or in the middle of a put.
//!
//! The same seed and the same calls fail alike. Whoever uses a block store must reach the same end with it as with a sound one.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::local::{Local, PutStep};
use crate::{BlockKind, BlockName, BlockStore, BlocksError, CatalogEntry, ContentHash, Put};

/// How often a call fails, in 256ths, one figure for each way of failing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultRates {
    pub before: u8,
    pub after: u8,
    /// Of puts only: a step is not reached.
    pub torn: u8,
}

/// A [`Local`] that fails now and then.
#[derive(Clone)]
pub struct Faulty {
    inner: Local,
    dice: Arc<Mutex<Dice>>,
    rates: FaultRates,
}

enum Fault {
    None,
    Before,
    After,
    Torn(PutStep),
}

impl Faulty {
    #[must_use]
    pub fn new(inner: Local, seed: u64, rates: FaultRates) -> Self {
        Self {
            inner,
            dice: Arc::new(Mutex::new(Dice(seed))),
            rates,
        }
    }

    fn fault(&self) -> Fault {
        let mut dice = self.dice.lock();
        let [roll, step, ..] = dice.roll().to_le_bytes();
        let (roll, rates) = (u16::from(roll), self.rates);
        let (before, after) = (u16::from(rates.before), u16::from(rates.after));
        if roll < before {
            Fault::Before
        } else if roll < before + after {
            Fault::After
        } else if roll < before + after + u16::from(rates.torn) {
            Fault::Torn(
                *PutStep::ALL
                    .get(usize::from(step) % PutStep::ALL.len())
                    .unwrap_or(&PutStep::Write),
            )
        } else {
            Fault::None
        }
    }

    async fn call<T>(
        &self,
        work: impl Future<Output = Result<T, BlocksError>> + Send,
    ) -> Result<T, BlocksError> {
        match self.fault() {
            Fault::Before => Err(injected("before")),
            Fault::After => work.await.and_then(|_| Err(injected("after"))),
            Fault::None | Fault::Torn(_) => work.await,
        }
    }
}

impl BlockStore for Faulty {
    async fn put(
        &self,
        name: &BlockName,
        content: ContentHash,
        meta: Bytes,
        bytes: Bytes,
    ) -> Result<Put, BlocksError> {
        match self.fault() {
            Fault::None => self.inner.put(name, content, meta, bytes).await,
            Fault::Before => Err(injected("before")),
            Fault::After => self
                .inner
                .put(name, content, meta, bytes)
                .await
                .and_then(|_| Err(injected("after"))),
            Fault::Torn(step) => self.inner.put_torn(name, content, meta, bytes, step).await,
        }
    }

    async fn read(&self, name: &BlockName, range: Range<u64>) -> Result<Bytes, BlocksError> {
        self.call(self.inner.read(name, range)).await
    }

    async fn list(&self, kind: BlockKind) -> Result<Vec<CatalogEntry>, BlocksError> {
        self.call(self.inner.list(kind)).await
    }

    async fn delete(&self, name: &BlockName) -> Result<(), BlocksError> {
        self.call(self.inner.delete(name)).await
    }

    async fn kv_get(&self, scope: &str, key: &str) -> Result<Option<Bytes>, BlocksError> {
        self.call(self.inner.kv_get(scope, key)).await
    }

    async fn kv_put(&self, scope: &str, key: &str, value: Bytes) -> Result<(), BlocksError> {
        self.call(self.inner.kv_put(scope, key, value)).await
    }

    async fn kv_list(&self, scope: &str) -> Result<Vec<(String, Bytes)>, BlocksError> {
        self.call(self.inner.kv_list(scope)).await
    }

    async fn kv_delete(&self, scope: &str, keys: &[String]) -> Result<(), BlocksError> {
        self.call(self.inner.kv_delete(scope, keys)).await
    }
}

fn injected(when: &str) -> BlocksError {
    BlocksError::Unavailable(format!("injected {when} the effect").into())
}

/// splitmix64: a short generator with a seed (Steele, Lea, Flood 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
