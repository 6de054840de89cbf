//! A log whose files were changed opens or says why not, and hands out no record that was never appended, none twice and none out of order.
//!
//! The input is a list of changes, 4 bytes each: which file, where in it (2 bytes), what is xored there. A change that begins with 0xff has the file and how
//! much of it stays; all bytes after it take the place of the rest.

use std::sync::OnceLock;

use bus::local::Local;
use bus::local::disk::Disk;
use bus::testing::SimDisk;
use bus::{
    Config, Consumer as _, Draft, Fetched, Header, Kind, Log as _, Metrics, Partition, Record,
    RequestHash, Start, Topic, TopicPartition,
};
use bytes::Bytes;
use telemetry::{Clock, RecordTime, Tenant};

const N_PARTITIONS: u32 = 2;
const RECORDS: u32 = 24;

/// A sound log and what is in it.
struct Sound {
    files: Vec<(String, Vec<u8>)>,
    records: Vec<Record>,
}

pub(crate) fn run(bytes: &[u8]) {
    static SOUND: OnceLock<Sound> = OnceLock::new();
    let sound = SOUND.get_or_init(Sound::new);
    let mut files = sound.files.clone();
    let mut rest = bytes;
    while let Some((change, after)) = rest.split_first_chunk::<4>() {
        rest = after;
        let [which, low, high, xor] = *change;
        if which == 0xff && !rest.is_empty() {
            replace(&mut files, low, usize::from(high), rest);
            break;
        }
        let n_files = files.len();
        if let Some((_, content)) = files.get_mut(usize::from(which) % n_files) {
            let at = usize::from(u16::from_le_bytes([low, high])) % content.len().max(1);
            if let Some(byte) = content.get_mut(at) {
                *byte ^= xor;
            }
        }
    }
    let disk = SimDisk::new(1);
    files
        .into_iter()
        .for_each(|(name, content)| disk.put(&name, content));
    let Ok(log) = open(&disk) else {
        return;
    };
    let found = read_all(&log);
    assert!(
        !bytes.is_empty() || found == sound.records,
        "nothing was changed"
    );
    // Each is looked for after the one before, so none comes twice or out of order.
    let mut sent = sound.records.iter();
    for record in found {
        assert!(
            sent.any(|sent| *sent == record),
            "an invented record: {record:?}"
        );
    }
}

/// Puts `with` over the end of a file, after `from` 255ths of it.
fn replace(files: &mut [(String, Vec<u8>)], which: u8, from: usize, with: &[u8]) {
    let n_files = files.len();
    if let Some((_, content)) = files.get_mut(usize::from(which) % n_files) {
        content.truncate(content.len() * from / 255);
        content.extend(with);
    }
}

fn config() -> Config {
    Config {
        segment_bytes_max: 2_048,
        ..Config::default()
    }
}

fn open(disk: &SimDisk) -> Result<Local, bus::local::OpenError> {
    let clock = Clock::manual(1_700_000_000_000);
    Local::open_inline(
        Disk::Sim(disk.clone()),
        &config(),
        N_PARTITIONS,
        clock,
        Metrics::default(),
    )
}

fn spans(partition: u32) -> TopicPartition {
    TopicPartition {
        topic: Topic::Spans,
        partition: Partition(partition),
    }
}

fn waited<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime").block_on(work)
}

fn read_all(log: &Local) -> Vec<Record> {
    waited(async {
        let mut records = Vec::new();
        for partition in 0..log.n_partitions(Topic::Spans).min(8) {
            let Ok(mut consumer) = log.consume(spans(partition), Start::Earliest).await else {
                continue;
            };
            while let Ok(Fetched::Records(read)) = consumer.next().await {
                records.extend(read);
            }
        }
        records
    })
}

impl Sound {
    fn new() -> Self {
        let disk = SimDisk::new(1);
        let log = open(&disk).expect("an empty disk");
        waited(async {
            for n in 0..RECORDS {
                let draft = Draft {
                    to: spans(n % N_PARTITIONS),
                    header: header(n),
                    payload: Bytes::from(vec![n as u8; 17 * n as usize]),
                };
                log.append(vec![draft]).await.expect("appends");
            }
        });
        let records = read_all(&log);
        assert_eq!(records.len(), RECORDS as usize);
        drop(log);
        let taken = |name: String| {
            let content = disk.take(&name).expect("it was listed");
            (name, content)
        };
        Self {
            files: disk.files().into_iter().map(taken).collect(),
            records,
        }
    }
}

fn header(n: u32) -> Header {
    Header {
        tenant: Tenant::default_tenant(),
        kind: Kind::Otlp,
        accepted_at: RecordTime {
            unix_ms: i64::from(n),
        },
        n_items: n,
        request_hash: RequestHash(u128::from(n)),
        part: 0,
        historic: false,
    }
}
