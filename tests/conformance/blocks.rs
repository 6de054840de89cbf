//! The promises of `blocks::BlockStore`, one test each, on every implementation: a folder, and a folder that fails by a seed.
//!
//! On the faulty one each call is repeated until it succeeds, as every caller of ours does; what is then to be seen must be the same.

#![expect(
    clippy::unwrap_used,
    reason = "what a helper of a test cannot do fails the test"
)]

use blocks::local::Local;
use blocks::testing::{FaultRates, Faulty};
use blocks::{
    BlockKind, BlockName, BlockStore, Blocks, BlocksError, CatalogEntry, ContentHash, Metrics, Put,
};
use bytes::Bytes;
use telemetry::{Clock, Tenant};

/// Repetitions after which a fault rate of one in two would have let a call through but for one in 2^60.
const ATTEMPTS_MAX: usize = 60;

/// A store under test, every call repeated until it succeeds or fails by its contract.
struct Subject {
    blocks: Blocks,
    is_faulty: bool,
    _dir: tempfile::TempDir,
}

async fn subjects() -> Vec<Subject> {
    let mut subjects = Vec::new();
    for seed in 0..20u64 {
        let dir = tempfile::tempdir().unwrap();
        let local = open(dir.path()).await;
        let is_faulty = seed > 0;
        let rates = FaultRates {
            before: 60,
            after: 60,
            torn: 60,
        };
        let blocks = if is_faulty {
            Blocks::Faulty(Faulty::new(local, seed, rates))
        } else {
            Blocks::Local(local)
        };
        subjects.push(Subject {
            blocks,
            is_faulty,
            _dir: dir,
        });
    }
    subjects
}

async fn open(dir: &std::path::Path) -> Local {
    Local::open(
        dir.to_owned(),
        blocks::Config::default(),
        Clock::host(),
        Metrics::default(),
    )
    .await
    .unwrap()
}

macro_rules! until_available {
    ($call:expr) => {{
        let mut outcome = $call.await;
        for _ in 0..ATTEMPTS_MAX {
            if !matches!(outcome, Err(BlocksError::Unavailable(_))) {
                break;
            }
            outcome = $call.await;
        }
        outcome
    }};
}

impl Subject {
    async fn put(
        &self,
        name: &BlockName,
        content: u128,
        meta: &'static str,
        body: &Bytes,
    ) -> Result<Put, BlocksError> {
        until_available!(self.blocks.put(
            name,
            ContentHash(content),
            Bytes::from_static(meta.as_bytes()),
            body.clone()
        ))
    }

    async fn read(
        &self,
        name: &BlockName,
        range: std::ops::Range<u64>,
    ) -> Result<Bytes, BlocksError> {
        until_available!(self.blocks.read(name, range.clone()))
    }

    async fn list(&self) -> Vec<CatalogEntry> {
        until_available!(self.blocks.list(BlockKind::Traces)).unwrap()
    }

    async fn delete(&self, name: &BlockName) {
        until_available!(self.blocks.delete(name)).unwrap();
    }

    /// A first put: on a store that fails after the effect its repetition finds it there.
    fn assert_first(&self, put: &Put) {
        assert!(
            *put == Put::New || self.is_faulty && *put == Put::Same,
            "{put:?}"
        );
    }
}

fn name(tenant: &str, id: &str) -> BlockName {
    BlockName {
        kind: BlockKind::Traces,
        tenant: tenant.parse().unwrap(),
        id: id.into(),
    }
}

fn body(bytes: usize) -> Bytes {
    (0..bytes).map(|i| (i * 31 / 7) as u8).collect()
}

#[tokio::test]
async fn a_block_reads_back_in_every_range() {
    for subject in subjects().await {
        for bytes in [0, 1, 65_535, 65_536, 200_000] {
            let (name, body) = (name("default", &format!("b{bytes}")), body(bytes));
            subject.assert_first(&subject.put(&name, 7, "", &body).await.unwrap());
            for (begin, end) in [
                (0, bytes),
                (bytes / 2, bytes),
                (0, bytes / 3),
                (bytes / 3, bytes / 3),
                (bytes, bytes),
            ] {
                assert_eq!(
                    subject.read(&name, begin as u64..end as u64).await.unwrap(),
                    body[begin..end]
                );
            }
        }
    }
}

#[tokio::test]
async fn a_range_past_the_end_is_an_error() {
    for subject in subjects().await {
        let name = name("default", "a");
        subject.put(&name, 1, "", &body(10)).await.unwrap();
        for range in [0..11, 11..11, 20..30] {
            let told = subject.read(&name, range).await.unwrap_err();
            assert!(
                matches!(told, BlocksError::Range { size_bytes: 10, .. }),
                "{told}"
            );
        }
    }
}

#[tokio::test]
async fn the_same_content_again_changes_nothing() {
    for subject in subjects().await {
        let name = name("default", "a");
        subject.put(&name, 1, "first", &body(10)).await.unwrap();
        // Compressed differently: other bytes, equal content.
        assert_eq!(
            subject.put(&name, 1, "second", &body(20)).await.unwrap(),
            Put::Same
        );
        assert_eq!(subject.list().await.len(), 1);
        assert_eq!(subject.list().await[0].meta, "first");
        assert_eq!(subject.read(&name, 0..10).await.unwrap(), body(10));
    }
}

#[tokio::test]
async fn other_content_of_one_name_is_stored_beside_it() {
    for subject in subjects().await {
        let name = name("default", "a");
        subject.put(&name, 1, "", &body(10)).await.unwrap();
        let Put::Beside(beside) = subject.put(&name, 2, "", &body(20)).await.unwrap() else {
            panic!("not beside")
        };
        assert_eq!(
            subject.put(&name, 2, "", &body(20)).await.unwrap(),
            Put::Beside(beside.clone())
        );
        assert_eq!(subject.list().await.len(), 2);
        assert_eq!(subject.read(&name, 0..10).await.unwrap(), body(10));
        assert_eq!(subject.read(&beside, 0..20).await.unwrap(), body(20));
    }
}

#[tokio::test]
async fn blocks_are_listed_by_name_with_their_meta() {
    for subject in subjects().await {
        let names = [
            name("a", "x"),
            name("a", "y"),
            name("a-b", "x"),
            name("b", "a"),
        ];
        for name in names.iter().rev() {
            subject.put(name, 1, "meta", &body(3)).await.unwrap();
        }
        let listed = subject.list().await;
        assert_eq!(
            listed.iter().map(|entry| &entry.name).collect::<Vec<_>>(),
            names.iter().collect::<Vec<_>>()
        );
        assert!(listed.iter().all(|entry| entry.meta == "meta"
            && entry.size_bytes == 3
            && entry.content == ContentHash(1)));
    }
}

#[tokio::test]
async fn a_deleted_block_is_gone_and_its_name_is_free() {
    for subject in subjects().await {
        let name = name("default", "a");
        subject.put(&name, 1, "", &body(10)).await.unwrap();
        subject.delete(&name).await;
        subject.delete(&name).await;
        assert!(subject.list().await.is_empty());
        assert!(matches!(
            subject.read(&name, 0..1).await,
            Err(BlocksError::NotFound(_))
        ));
        subject.assert_first(&subject.put(&name, 2, "", &body(5)).await.unwrap());
        assert_eq!(subject.read(&name, 0..5).await.unwrap(), body(5));
    }
}

#[tokio::test]
async fn what_is_over_a_limit_or_no_id_is_refused() {
    for subject in subjects().await {
        let told = subject
            .put(&name("default", "A/b"), 1, "", &body(1))
            .await
            .unwrap_err();
        assert!(matches!(told, BlocksError::Name(_)), "{told}");
        let meta = Bytes::from(vec![0; (64 << 10) + 1]);
        let told = until_available!(subject.blocks.put(
            &name("default", "a"),
            ContentHash(1),
            meta.clone(),
            body(1)
        ))
        .unwrap_err();
        assert!(matches!(told, BlocksError::TooLarge { .. }), "{told}");
        let value = Bytes::from(vec![0; (1 << 20) + 1]);
        let told =
            until_available!(subject.blocks.kv_put("scope", "key", value.clone())).unwrap_err();
        assert!(matches!(told, BlocksError::TooLarge { .. }), "{told}");
        assert!(subject.list().await.is_empty());
    }
}

#[tokio::test]
async fn small_metadata_is_replaced_listed_in_order_and_removed() {
    for subject in subjects().await {
        let blocks = &subject.blocks;
        for (scope, key, value) in [
            ("s", "b", "1"),
            ("s", "a", "2"),
            ("s", "b", "3"),
            ("s2", "a", "4"),
            ("s", "", "5"),
        ] {
            until_available!(blocks.kv_put(scope, key, Bytes::from_static(value.as_bytes())))
                .unwrap();
        }
        assert_eq!(
            until_available!(blocks.kv_get("s", "b")).unwrap().unwrap(),
            "3"
        );
        assert_eq!(until_available!(blocks.kv_get("s", "c")).unwrap(), None);
        let expected = [("", "5"), ("a", "2"), ("b", "3")]
            .map(|(key, value)| (key.to_owned(), Bytes::from_static(value.as_bytes())));
        assert_eq!(until_available!(blocks.kv_list("s")).unwrap(), expected);
        let keys = ["a".to_owned(), "not there".to_owned()];
        until_available!(blocks.kv_delete("s", &keys)).unwrap();
        assert_eq!(until_available!(blocks.kv_list("s")).unwrap().len(), 2);
        assert_eq!(until_available!(blocks.kv_list("s2")).unwrap().len(), 1);
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let name = name("default", "a");
    {
        let local = open(dir.path()).await;
        local
            .put(
                &name,
                ContentHash(1),
                Bytes::from_static(b"meta"),
                body(100_000),
            )
            .await
            .unwrap();
        local
            .kv_put("s", "k", Bytes::from_static(b"v"))
            .await
            .unwrap();
    }
    let local = open(dir.path()).await;
    assert_eq!(*local.recovered(), blocks::local::Recovered::default());
    assert_eq!(local.list(BlockKind::Traces).await.unwrap().len(), 1);
    assert_eq!(
        local.read(&name, 99_000..100_000).await.unwrap(),
        body(100_000)[99_000..]
    );
    assert_eq!(local.kv_get("s", "k").await.unwrap().unwrap(), "v");
}

#[tokio::test]
async fn a_tenant_sees_its_own_names_only() {
    for subject in subjects().await {
        let tenants: [Tenant; 2] = ["a".parse().unwrap(), "b".parse().unwrap()];
        for (tenant, content) in tenants.iter().zip(1..) {
            subject.assert_first(
                &subject
                    .put(
                        &name(tenant.as_str(), "same"),
                        content,
                        "",
                        &body(content as usize),
                    )
                    .await
                    .unwrap(),
            );
        }
        assert_eq!(
            subject.read(&name("a", "same"), 0..1).await.unwrap(),
            body(1)
        );
        assert_eq!(
            subject.read(&name("b", "same"), 0..2).await.unwrap(),
            body(2)
        );
    }
}
