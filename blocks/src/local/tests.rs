//! Crashes in the middle of a put, and flipped bits in every kind of file.

use std::fs;

use super::*;

fn name(id: &str) -> BlockName {
    BlockName {
        kind: BlockKind::Traces,
        tenant: telemetry::Tenant::default_tenant(),
        id: id.into(),
    }
}

fn body(seed: u8) -> Bytes {
    (0..150_000usize).map(|i| (i / 3) as u8 ^ seed).collect()
}

async fn open(dir: &Path) -> Local {
    Local::open(
        dir.to_owned(),
        Config::default(),
        Clock::host(),
        Metrics::default(),
    )
    .await
    .unwrap()
}

async fn put(local: &Local, id: &str, seed: u8) -> Put {
    local
        .put(
            &name(id),
            ContentHash(seed.into()),
            Bytes::from_static(b"meta"),
            body(seed),
        )
        .await
        .unwrap()
}

async fn assert_reads(local: &Local, id: &str, seed: u8) {
    assert_eq!(
        local.read(&name(id), 0..150_000).await.unwrap(),
        body(seed),
        "{id}"
    );
}

async fn ids(local: &Local) -> Vec<String> {
    local
        .list(BlockKind::Traces)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.name.id)
        .collect()
}

/// Every file below a folder, ordered.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_put_that_crashed_before_any_step_is_whole_or_not_there() {
    for step in PutStep::ALL {
        let dir = tempfile::tempdir().unwrap();
        let local = open(dir.path()).await;
        put(&local, "sound", 1).await;
        let torn = local
            .blocking(move |inner| {
                inner.put(
                    name("torn"),
                    ContentHash(2),
                    Bytes::new(),
                    &body(2),
                    Some(step),
                )
            })
            .await;
        assert!(torn.is_err());
        assert_eq!(
            ids(&local).await,
            ["sound"],
            "{step:?}: not visible before the catalog says so"
        );
        drop(local);
        let local = open(dir.path()).await;
        if ids(&local).await.len() == 2 {
            assert!(
                step >= PutStep::SyncFolder,
                "{step:?}: adopted only when it is whole"
            );
            assert_reads(&local, "torn", 2).await;
        }
        assert_eq!(local.recovered().quarantined, Vec::<PathBuf>::new());
        assert!(
            files(dir.path())
                .iter()
                .all(|file| file.extension().unwrap() != "tmp")
        );
        assert_reads(&local, "sound", 1).await;
        local
            .put(&name("torn"), ContentHash(2), Bytes::new(), body(2))
            .await
            .unwrap();
        assert_reads(&local, "torn", 2).await;
    }
}

#[tokio::test]
async fn a_flipped_bit_of_a_body_is_told_with_its_place_and_the_rest_reads_on() {
    let dir = tempfile::tempdir().unwrap();
    let local = open(dir.path()).await;
    put(&local, "a", 1).await;
    let path = dir.path().join(file::path(&name("a")));
    let sound = fs::read(&path).unwrap();
    for at in (0..150_000).step_by(9_973) {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        let chunk = at as u64 / 65_536 * 65_536;
        let told = local.read(&name("a"), 0..150_000).await.unwrap_err();
        assert!(
            matches!(told, BlocksError::Damaged { at, .. } if at == chunk),
            "{told}"
        );
        let other = if chunk == 0 {
            131_072..150_000
        } else {
            0..65_536
        };
        assert!(local.read(&name("a"), other).await.is_ok());
    }
}

#[tokio::test]
async fn a_lost_catalog_is_rebuilt_from_the_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let local = open(dir.path()).await;
    put(&local, "a", 1).await;
    put(&local, "b", 2).await;
    let listed = local.list(BlockKind::Traces).await.unwrap();
    drop(local);
    fs::remove_file(dir.path().join("catalog.redb")).unwrap();
    let local = open(dir.path()).await;
    assert_eq!(local.recovered().n_adopted, 2);
    assert_eq!(local.list(BlockKind::Traces).await.unwrap(), listed);
    assert_reads(&local, "b", 2).await;
}

#[tokio::test]
async fn an_old_catalog_put_back_loses_no_block() {
    let dir = tempfile::tempdir().unwrap();
    let local = open(dir.path()).await;
    put(&local, "a", 1).await;
    drop(local);
    let old = fs::read(dir.path().join("catalog.redb")).unwrap();
    let local = open(dir.path()).await;
    put(&local, "b", 2).await;
    local.delete(&name("a")).await.unwrap();
    drop(local);
    fs::write(dir.path().join("catalog.redb"), old).unwrap();
    let local = open(dir.path()).await;
    assert_eq!(
        (local.recovered().n_adopted, local.recovered().n_lost),
        (1, 1)
    );
    assert_eq!(ids(&local).await, ["b"]);
    assert_reads(&local, "b", 2).await;
}

#[tokio::test]
async fn a_file_without_a_readable_trailer_is_moved_aside_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let local = open(dir.path()).await;
    put(&local, "a", 1).await;
    drop(local);
    let path = dir.path().join(file::path(&name("a")));
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 40;
    bytes[at] ^= 4;
    fs::write(&path, bytes).unwrap();
    fs::remove_file(dir.path().join("catalog.redb")).unwrap();
    let local = open(dir.path()).await;
    assert_eq!(local.recovered().quarantined.len(), 1);
    assert!(ids(&local).await.is_empty());
}

/// What F19 asks of the databases: whatever bit flips or end is missing, the start succeeds, no block is lost, and small metadata is right, or gone and told.
#[tokio::test]
async fn damage_to_the_databases_loses_no_block_and_gives_no_wrong_value() {
    let dir = tempfile::tempdir().unwrap();
    let local = open(dir.path()).await;
    for i in 0..10u8 {
        put(&local, &format!("b{i}"), i).await;
        local
            .kv_put("ledger", &format!("k{i}"), Bytes::from(vec![i; 5_000]))
            .await
            .unwrap();
    }
    drop(local);
    let sound: Vec<(PathBuf, Vec<u8>)> = ["catalog.redb", "kv.redb"]
        .map(|name| dir.path().join(name))
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .into();
    let mut state = 7u64;
    for round in 0..60 {
        for (path, bytes) in &sound {
            let mut bytes = bytes.clone();
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            // Every third round flips near the start, where the headers are; every tenth cuts the file, every tenth zeroes its tail.
            let range = if round % 3 == 0 { 512 } else { bytes.len() };
            let at = (state >> 33) as usize % range;
            match round % 10 {
                8 => bytes.truncate(at),
                9 => bytes[at..].fill(0),
                _ => bytes[at] ^= 1 << (state % 8),
            }
            fs::write(path, bytes).unwrap();
        }
        let local = open(dir.path()).await;
        assert_eq!(ids(&local).await.len(), 10, "round {round}");
        for i in 0..10u8 {
            assert_reads(&local, &format!("b{i}"), i).await;
            match local.kv_get("ledger", &format!("k{i}")).await {
                Ok(Some(value)) => assert_eq!(value, vec![i; 5_000]),
                Ok(None) => assert!(
                    *local.recovered() != Recovered::default(),
                    "round {round}: gone without a word"
                ),
                Err(told) => assert!(matches!(told, BlocksError::DamagedValue { .. }), "{told}"),
            }
        }
    }
}

#[tokio::test]
async fn a_second_owner_of_the_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let local = open(dir.path()).await;
    put(&local, "a", 1).await;
    let second = Local::open(
        dir.path().to_owned(),
        Config::default(),
        Clock::host(),
        Metrics::default(),
    )
    .await;
    let told = second.err().expect("refused").to_string();
    assert!(told.contains("catalog.redb"), "{told}");
    assert_reads(&local, "a", 1).await;
}

#[tokio::test]
async fn what_would_not_leave_the_reserve_is_refused_and_deletes_still_work() {
    let dir = tempfile::tempdir().unwrap();
    let local = open(dir.path()).await;
    put(&local, "a", 1).await;
    drop(local);
    let config = Config {
        disk_reserve: u64::MAX / 2,
        ..Config::default()
    };
    let local = Local::open(
        dir.path().to_owned(),
        config,
        Clock::host(),
        Metrics::default(),
    )
    .await
    .unwrap();
    let told = local
        .put(&name("b"), ContentHash(2), Bytes::new(), body(2))
        .await
        .unwrap_err();
    assert!(
        matches!(told, BlocksError::Unavailable(_)) && told.to_string().contains("bytes free"),
        "{told}"
    );
    assert!(local.kv_put("s", "k", body(1)).await.is_err());
    assert_eq!(
        local
            .put(&name("a"), ContentHash(1), Bytes::new(), body(1))
            .await
            .unwrap(),
        Put::Same,
        "what is there needs no room"
    );
    local.delete(&name("a")).await.unwrap();
    assert!(ids(&local).await.is_empty());
}

#[tokio::test]
async fn small_metadata_that_is_missing_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let local = open(dir.path()).await;
    put(&local, "a", 1).await;
    assert!(!local.recovered().kv_missing, "a new folder misses nothing");
    drop(local);
    fs::write(dir.path().join("kv.redb"), b"").unwrap();
    let local = open(dir.path()).await;
    assert!(local.recovered().kv_missing);
    assert_reads(&local, "a", 1).await;
}
