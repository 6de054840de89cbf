//! The local log in a folder.

use tempfile::TempDir;

use super::*;

pub(super) fn open(dir: &TempDir) -> Local {
    let config = Config {
        segment_bytes_max: 64 << 10,
        disk_reserve: 0,
        ..Config::default()
    };
    Local::open(
        dir.path(),
        &config,
        N_PARTITIONS,
        Clock::host(),
        Metrics::default(),
    )
    .expect("opens")
}

fn pair() -> (Local, Local, TempDir) {
    let dir = TempDir::new().expect("a folder");
    let log = open(&dir);
    (log.clone(), log, dir)
}

suite!(pair);
