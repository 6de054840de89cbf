//! Merging and retention change how traces are stored, never what is found.

use std::time::Duration;

use super::*;
use crate::fixtures::{NOW_UNIX_MS, Subject, epoch, id, kept, plain, spans_of, tenant};
use crate::{Config, Filter, Maintained, Maintenance, SearchQuery, StoredTrace};

/// Twelve epochs of 10 s each from shard time 0, then one far past the window; trace 1 has a late part in the fifth.
async fn filled(config: Config) -> Subject {
    let subject = Subject::new(config).await;
    for n in 1..=12u8 {
        let mut traces: Vec<KeptTrace> = (0..8)
            .map(|i| {
                kept(
                    id(n * 10 + i),
                    &plain(
                        id(n * 10 + i),
                        &[("shop", "buy", n.into()), ("db", "select", 40)],
                    ),
                    false,
                )
            })
            .collect();
        if n == 1 {
            traces.push(kept(id(1), &plain(id(1), &[("shop", "buy", 3)]), false));
        }
        if n == 5 {
            traces.push(kept(
                id(1),
                &plain(id(1), &[("shop", "buy", 3), ("mail", "send", 2)]),
                true,
            ));
        }
        subject
            .store
            .write_epoch(&tenant(), epoch(n.into(), u64::from(n) * 10), traces)
            .await
            .unwrap();
    }
    subject
        .store
        .write_epoch(
            &tenant(),
            epoch(1_000, 700),
            vec![kept(id(2), &plain(id(2), &[("shop", "pay", 9)]), false)],
        )
        .await
        .unwrap();
    subject
}

async fn everything(subject: &Subject) -> Vec<(StoredTrace, Vec<Vec<u8>>)> {
    let query = SearchQuery {
        filter: Filter::default(),
        limit: 1_000,
        cursor: None,
    };
    let page = subject.store.search(&tenant(), &query).await.unwrap();
    assert_eq!(page.partial, None);
    let spans = |trace: StoredTrace| {
        (
            StoredTrace {
                traces_data: Bytes::new(),
                ..trace.clone()
            },
            spans_of(&trace.traces_data),
        )
    };
    page.traces.into_iter().map(spans).collect()
}

fn ids(subject: &Subject) -> Vec<String> {
    subject
        .store
        .inner
        .catalog
        .read()
        .visible()
        .map(|block| block.name.id.clone())
        .collect()
}

#[tokio::test]
async fn a_merge_changes_nothing_that_is_found_and_hides_what_went_in() {
    let subject = filled(Config::default()).await;
    let before = everything(&subject).await;
    assert_eq!(before.len(), 98);
    let mut maintenance = Maintenance::default();
    let done = subject.store.maintain(&mut maintenance).await.unwrap();
    assert_eq!(
        done,
        Maintained {
            n_merges: 1,
            ..Maintained::default()
        }
    );
    assert_eq!(
        ids(&subject),
        [
            "e.00003.00000000000000001000.000",
            "m1.00003.000000000000.00000"
        ]
    );
    assert_eq!(everything(&subject).await, before);
    let trace = subject.store.find(&tenant(), id(1)).await.unwrap().unwrap();
    assert!(trace.late);
    assert_eq!(
        spans_of(&trace.traces_data).len(),
        2,
        "the span that came twice is there once"
    );

    // What went in is still on disk, and again invisible after a restart; then it goes, and nothing is missed.
    let subject = subject.reopened().await;
    assert_eq!(everything(&subject).await, before);
    let mut maintenance = Maintenance::default();
    assert_eq!(
        subject.store.maintain(&mut maintenance).await.unwrap(),
        Maintained::default()
    );
    assert_eq!(
        subject.store.maintain(&mut maintenance).await.unwrap(),
        Maintained {
            n_deleted: 12,
            ..Maintained::default()
        }
    );
    let subject = subject.reopened().await;
    assert_eq!(everything(&subject).await, before);
    assert_eq!(
        subject.store.services(&tenant()).await.unwrap(),
        ["db", "mail", "shop"]
    );
}

#[tokio::test]
async fn an_epoch_that_was_merged_is_not_stored_again() {
    let subject = filled(Config::default()).await;
    let mut maintenance = Maintenance::default();
    for _ in 0..3 {
        subject.store.maintain(&mut maintenance).await.unwrap();
    }
    let put = subject
        .store
        .write_epoch(
            &tenant(),
            epoch(1, 10),
            vec![kept(id(1), &plain(id(1), &[]), false)],
        )
        .await
        .unwrap();
    assert_eq!((put, ids(&subject).len()), (Put::Same, 2));
}

#[tokio::test]
async fn two_compactors_make_the_same_block() {
    let (one, other) = (
        filled(Config::default()).await,
        filled(Config::default()).await,
    );
    other.clock.advance(5_000);
    let mut contents = Vec::new();
    for subject in [&one, &other] {
        let merge = subject.store.due_merges(&BTreeSet::new()).remove(0);
        assert_eq!(
            subject.store.compact(merge.clone()).await.unwrap(),
            Put::New
        );
        assert_eq!(subject.store.compact(merge).await.unwrap(), Put::Same);
        contents.push(subject.store.inner.catalog.read().of_tenant(&tenant())[1].clone());
    }
    assert_eq!(contents[0], contents[1]);
}

#[tokio::test]
async fn late_epochs_of_a_window_become_its_next_generation_and_an_hour_becomes_one_block() {
    let subject = filled(Config::default()).await;
    let store = &subject.store;
    let mut maintenance = Maintenance::default();
    store.maintain(&mut maintenance).await.unwrap();
    for end_offset in [20, 21] {
        store
            .write_epoch(
                &tenant(),
                epoch(end_offset, 130),
                vec![kept(
                    id(200 + end_offset as u8),
                    &plain(id(200 + end_offset as u8), &[("shop", "buy", 1)]),
                    false,
                )],
            )
            .await
            .unwrap();
    }
    let before = everything(&subject).await;
    store.maintain(&mut maintenance).await.unwrap();
    assert_eq!(
        ids(&subject)[1..],
        ["m1.00003.000000000000.00000", "m1.00003.000000000000.00001"]
    );
    store
        .write_epoch(
            &tenant(),
            epoch(5_000, 4_000),
            vec![kept(id(3), &plain(id(3), &[("shop", "buy", 0)]), false)],
        )
        .await
        .unwrap();
    assert_eq!(store.maintain(&mut maintenance).await.unwrap().n_merges, 1);
    assert_eq!(
        ids(&subject),
        [
            "e.00003.00000000000000005000.000",
            "m2.00003.000000000000.00000"
        ]
    );
    assert_eq!(everything(&subject).await[..before.len()], before);
    for _ in 0..2 {
        store.maintain(&mut maintenance).await.unwrap();
    }
    // The names of what went in are taken for ever: a newcomer gets its own.
    for end_offset in [30, 31] {
        store
            .write_epoch(
                &tenant(),
                epoch(end_offset, 140),
                vec![kept(
                    id(220 + end_offset as u8),
                    &plain(id(220 + end_offset as u8), &[("shop", "buy", 1)]),
                    false,
                )],
            )
            .await
            .unwrap();
    }
    store.maintain(&mut maintenance).await.unwrap();
    assert_eq!(everything(&subject).await.len(), before.len() + 3);
}

#[tokio::test]
async fn a_window_with_more_bytes_than_the_limit_becomes_several_blocks() {
    let subject = filled(Config::default()).await;
    let bytes_max = 3 * subject.store.inner.catalog.read().of_tenant(&tenant())[3].size_bytes + 100;
    let config = Config {
        merge_bytes_max: bytes_max,
        ..Config::default()
    };
    let subject = filled(config).await;
    let before = everything(&subject).await;
    subject
        .store
        .maintain(&mut Maintenance::default())
        .await
        .unwrap();
    assert!((4..8).contains(&ids(&subject).len()), "{:?}", ids(&subject));
    assert_eq!(everything(&subject).await, before);
}

#[tokio::test]
async fn a_damaged_block_is_left_out_of_merges_and_the_rest_is_merged() {
    let subject = filled(Config::default()).await;
    let victim = subject.store.inner.catalog.read().of_tenant(&tenant())[6]
        .name
        .clone();
    let needle = victim.id.as_bytes();
    for file in walk(subject.dir.path()) {
        let mut bytes = std::fs::read(&file).unwrap();
        if bytes.ends_with(b"TWBLOCK\x01")
            && bytes.windows(needle.len()).any(|window| window == needle)
        {
            bytes[200] ^= 1;
            std::fs::write(&file, bytes).unwrap();
        }
    }
    let subject = subject.reopened().await;
    let mut maintenance = Maintenance::default();
    assert_eq!(
        subject
            .store
            .maintain(&mut maintenance)
            .await
            .unwrap()
            .n_merges,
        0,
        "the first try meets the damage"
    );
    assert_eq!(
        subject
            .store
            .maintain(&mut maintenance)
            .await
            .unwrap()
            .n_merges,
        1
    );
    let query = SearchQuery {
        filter: Filter::default(),
        limit: 1_000,
        cursor: None,
    };
    let page = subject.store.search(&tenant(), &query).await.unwrap();
    assert_eq!(
        (page.traces.len(), page.partial.unwrap().n_damaged),
        (90, 1)
    );
    assert!(
        subject
            .store
            .find(&tenant(), id(10))
            .await
            .unwrap()
            .is_some()
    );
    assert!(
        subject
            .store
            .find(&tenant(), id(70))
            .await
            .unwrap()
            .is_none()
    );
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let paths = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[tokio::test]
async fn what_is_older_than_retention_goes() {
    let config = Config {
        retention: Duration::from_secs(3_600),
        ..Config::default()
    };
    let subject = Subject::new(config).await;
    let traces = |n| vec![kept(id(n), &plain(id(n), &[("shop", "buy", 5)]), false)];
    subject
        .store
        .write_epoch(&tenant(), epoch(1, 10), traces(1))
        .await
        .unwrap();
    subject.clock.advance(1_800_000);
    subject
        .store
        .write_epoch(&tenant(), epoch(2, 20), traces(2))
        .await
        .unwrap();
    let mut maintenance = Maintenance::default();
    assert_eq!(
        subject
            .store
            .maintain(&mut maintenance)
            .await
            .unwrap()
            .n_expired,
        0
    );
    subject.clock.advance(1_800_001);
    assert_eq!(
        subject
            .store
            .maintain(&mut maintenance)
            .await
            .unwrap()
            .n_expired,
        1
    );
    assert!(
        subject
            .store
            .find(&tenant(), id(1))
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        subject
            .store
            .find(&tenant(), id(2))
            .await
            .unwrap()
            .is_some()
    );
    assert!(subject.clock.wall().unix_ms > NOW_UNIX_MS);
}

#[tokio::test]
async fn a_clock_that_jumps_years_ahead_deletes_nothing() {
    let subject = filled(Config::default()).await;
    let mut maintenance = Maintenance::default();
    subject.store.maintain(&mut maintenance).await.unwrap();
    subject.clock.advance(400 * 86_400_000);
    assert_eq!(
        subject
            .store
            .maintain(&mut maintenance)
            .await
            .unwrap()
            .n_expired,
        0
    );
    assert_eq!(everything(&subject).await.len(), 98);
}

#[tokio::test]
async fn over_the_limit_of_bytes_the_oldest_go_first() {
    let config = Config {
        bytes_max: 1,
        ..Config::default()
    };
    let subject = Subject::new(config).await;
    for n in 1..=3u8 {
        subject
            .store
            .write_epoch(
                &tenant(),
                epoch((10 - n).into(), 10),
                vec![kept(id(n), &plain(id(n), &[("shop", "buy", 5)]), false)],
            )
            .await
            .unwrap();
        subject.clock.advance(1_000);
    }
    let size = subject
        .store
        .inner
        .catalog
        .read()
        .visible()
        .map(|block| block.size_bytes)
        .max()
        .unwrap();
    let store = crate::TraceStore::open(
        subject.store.inner.blocks.clone(),
        Config {
            bytes_max: size,
            ..Config::default()
        },
        subject.clock.clone(),
    )
    .await
    .unwrap();
    assert_eq!(
        store
            .maintain(&mut Maintenance::default())
            .await
            .unwrap()
            .n_expired,
        2
    );
    assert!(store.find(&tenant(), id(3)).await.unwrap().is_some());
}

#[tokio::test]
async fn merges_that_fail_at_any_step_lose_and_repeat_nothing() {
    for seed in 1..12 {
        let subject = filled(Config::default()).await;
        let before = everything(&subject).await;
        let Subject { store, clock, dir } = subject;
        drop(store);
        {
            let local = crate::fixtures::open_local(dir.path()).await;
            let rates = blocks::testing::FaultRates {
                before: 20,
                after: 20,
                torn: 120,
            };
            let faulty = blocks::Blocks::Faulty(blocks::testing::Faulty::new(local, seed, rates));
            // Each failure stops the process, as a crash would: the next one begins from what is on disk.
            for _ in 0..60 {
                let Ok(store) =
                    TraceStore::open(faulty.clone(), Config::default(), clock.clone()).await
                else {
                    continue;
                };
                let mut maintenance = Maintenance::default();
                while let Ok(done) = store.maintain(&mut maintenance).await
                    && (done.n_merges > 0 || store.inner.catalog.read().hidden().count() > 0)
                {
                }
            }
        }
        let store = TraceStore::open(
            blocks::Blocks::Local(crate::fixtures::open_local(dir.path()).await),
            Config::default(),
            clock.clone(),
        )
        .await
        .unwrap();
        let subject = Subject { store, clock, dir };
        assert_eq!(
            ids(&subject),
            [
                "e.00003.00000000000000001000.000",
                "m1.00003.000000000000.00000"
            ],
            "seed {seed}"
        );
        assert_eq!(
            subject.store.inner.catalog.read().hidden().count(),
            0,
            "seed {seed}: what went in is deleted"
        );
        assert_eq!(everything(&subject).await, before, "seed {seed}");
    }
}
