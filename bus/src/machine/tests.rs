//! The loop over a real local log on a simulated disk, with a machine that only counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use telemetry::{Clock, RecordTime, Tenant};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::local::disk::Disk;
use crate::testing::SimDisk;
use crate::{
    Config, Consumer, Fetched, Header, Kind, Local, Log, Metrics, Partition, RequestHash, Start,
    Topic,
};

const OF: TopicPartition = TopicPartition {
    topic: Topic::Spans,
    partition: Partition(0),
};

const PAYLOAD: &[u8] = b"x";
/// A record that the machine does not survive.
const DEADLY: &[u8] = b"deadly";

/// Counts what it applied.
#[derive(Default)]
struct Counting {
    n_spans: usize,
    /// Records that came without their bytes.
    n_unreadable: usize,
    n_controls: usize,
}

impl Machine for Counting {
    type Seal = ();

    fn apply(&mut self, record: &Record) -> Result<Option<()>, Stopped> {
        match record.header.kind {
            Kind::Control => self.n_controls += 1,
            Kind::Tick => {}
            _ if record.payload == DEADLY => panic!("as the test wants"),
            _ if record.payload != PAYLOAD => self.n_unreadable += 1,
            _ => self.n_spans += 1,
        }
        Ok(None)
    }

    fn restore(&mut self, _: &[LedgerEntry]) -> Result<(), Stopped> {
        Ok(())
    }

    fn refold(&mut self, _: &Record) {}

    fn resume(&mut self) {}
}

/// What the loop told.
#[derive(Default)]
struct Told {
    n_caught_up: AtomicUsize,
    n_asked: AtomicUsize,
    n_said: AtomicUsize,
    n_controls: AtomicUsize,
    n_spans: AtomicUsize,
}

/// Has one thing to say until the log took it.
struct Says {
    told: Arc<Told>,
    wanted: bool,
}

impl Effects<Counting> for Says {
    async fn write(&mut self, (): ()) -> Result<(), EffectError> {
        Ok(())
    }

    async fn durable(&mut self) -> Result<Durable, EffectError> {
        std::future::pending().await
    }

    async fn committed(&mut self, _: Durable) -> Result<(), EffectError> {
        Ok(())
    }

    fn caught_up(&mut self) {
        self.told.n_caught_up.fetch_add(1, SeqCst);
    }

    fn control(&mut self, machine: &Counting) -> Option<Draft> {
        self.told.n_asked.fetch_add(1, SeqCst);
        self.told.n_controls.store(machine.n_controls, SeqCst);
        self.told.n_spans.store(machine.n_spans, SeqCst);
        self.wanted.then(|| draft(Kind::Control))
    }

    fn said(&mut self) {
        self.told.n_said.fetch_add(1, SeqCst);
        self.wanted = false;
    }
}

fn draft(kind: Kind) -> Draft {
    let header = Header {
        tenant: Tenant::default_tenant(),
        kind,
        accepted_at: RecordTime::default(),
        n_items: 1,
        request_hash: RequestHash(1),
        part: 0,
        historic: false,
    };
    Draft {
        to: OF,
        header,
        payload: Bytes::from_static(PAYLOAD),
    }
}

fn log(disk: &SimDisk) -> Local {
    let (config, disk) = (Config::default(), Disk::Sim(disk.clone()));
    Local::open_inline(disk, &config, 1, Clock::manual(1_000), Metrics::default()).expect("opens")
}

/// Runs the loop over `log` while `then` looks on.
async fn run_while(log: &Local, wanted: bool, then: impl AsyncFnOnce(&Told)) {
    let consumer = log.consume(OF, Start::Earliest).await.expect("consumes");
    let taken = TakenOver {
        consumer,
        pending: Vec::new(),
        at_end: false,
        n_refolded: 0,
        lossy: false,
    };
    let told = Arc::new(Told::default());
    let mut effects = Says {
        told: told.clone(),
        wanted,
    };
    let stop = CancellationToken::new();
    let mut machine = Counting::default();
    let looped = run(log, OF, taken, &mut machine, &mut effects, &stop);
    let (ended, ()) = tokio::join!(looped, async {
        then(&told).await;
        stop.cancel();
    });
    ended.expect("the loop goes on");
}

async fn until(at: &AtomicUsize, n: usize) {
    let reached = async {
        while at.load(SeqCst) < n {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), reached).await;
    assert!(waited.is_ok(), "{} of {n}", at.load(SeqCst));
}

#[tokio::test(start_paused = true)]
async fn what_a_full_disk_refuses_is_said_again_and_once_only() {
    let disk = SimDisk::new(1);
    let log = log(&disk);
    disk.set_free_bytes(0);
    run_while(&log, true, async |told| {
        until(&told.n_asked, 3).await;
        assert_eq!(
            told.n_said.load(SeqCst),
            0,
            "the log took it from a full disk"
        );
        disk.set_free_bytes(1 << 40);
        until(&told.n_controls, 1).await;
        let n_asked = told.n_asked.load(SeqCst);
        until(&told.n_asked, n_asked + 3).await;
        assert_eq!(told.n_said.load(SeqCst), 1);
        assert_eq!(told.n_controls.load(SeqCst), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_machine_is_caught_up_when_it_has_applied_all_that_there_was() {
    let disk = SimDisk::new(2);
    let log = log(&disk);
    for _ in 0..1_000 {
        log.append(vec![draft(Kind::Otlp)]).await.expect("appends");
    }
    run_while(&log, false, async |told| {
        until(&told.n_caught_up, 1).await;
        assert_eq!(told.n_spans.load(SeqCst), 1_000);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn all_are_caught_up_when_the_last_one_is_and_no_more_when_one_leaves() {
    let caught_up = CaughtUp::default();
    let all = async |n| {
        tokio::time::timeout(Duration::from_secs(1), caught_up.all(n))
            .await
            .is_ok()
    };
    caught_up.insert(Partition(0));
    assert!(!all(2).await && !caught_up.contains(Partition(1)));
    caught_up.insert(Partition(1));
    assert!(all(2).await && caught_up.contains(Partition(1)));
    caught_up.remove(Partition(0));
    assert!(!all(2).await);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_says_where_it_was_read_and_is_the_record_as_it_was() {
    let log = log(&SimDisk::new(3));
    let appended = log.append(vec![draft(Kind::Otlp), draft(Kind::Otlp)]).await;
    let offset = appended.expect("appends").last().expect("two").offset;
    put_dead_letters(&log, OF, vec![offset, offset])
        .await
        .expect("is put");
    let dlq = TopicPartition {
        topic: Topic::DeadLetters,
        partition: Partition(0),
    };
    let mut letters = log.consume(dlq, Start::Earliest).await.expect("consumes");
    let Fetched::Records(records) = letters.next().await.expect("reads") else {
        panic!("no dead letter");
    };
    let [letter] = records.as_slice() else {
        panic!("{} letters of one record", records.len());
    };
    assert_eq!(letter.header, draft(Kind::Otlp).header);
    let mut expected = vec![1, 1, 0, 0, 0, 0, 0, 0];
    expected.extend(offset.0.to_le_bytes());
    expected.extend(1_000_i64.to_le_bytes());
    expected.push(b'x');
    assert_eq!(letter.payload, expected);
}

#[tokio::test(start_paused = true)]
async fn a_record_at_which_the_machine_dies_twice_comes_without_its_bytes() {
    let log = log(&SimDisk::new(4));
    let deadly = Draft {
        payload: Bytes::from_static(DEADLY),
        ..draft(Kind::Otlp)
    };
    let drafts = [0, 1, 2, 3, 4].map(|at| match at {
        1 | 3 => deadly.clone(),
        _ => draft(Kind::Otlp),
    });
    let appended = log.append(drafts.to_vec()).await.expect("appends");
    let [second, fourth] = [1, 3].map(|at| appended[at].offset);
    for died_at in [second, second, fourth, fourth] {
        let ended = run_once(&log, &CancellationToken::new()).await.1;
        assert!(
            matches!(ended, Err(RunError::Died(at)) if at == died_at),
            "{ended:?}"
        );
    }
    let stop = CancellationToken::new();
    let stopped = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.cancel();
    };
    let ((machine, ended), ()) = tokio::join!(run_once(&log, &stop), stopped);
    ended.expect("nothing is left to die of");
    assert_eq!((machine.n_spans, machine.n_unreadable), (3, 2));
}

/// The loop from the oldest record on, until it ends by itself or is stopped.
async fn run_once(log: &Local, stop: &CancellationToken) -> (Counting, Result<(), RunError>) {
    let consumer = log.consume(OF, Start::Earliest).await.expect("consumes");
    let taken = TakenOver {
        consumer,
        pending: Vec::new(),
        at_end: false,
        n_refolded: 0,
        lossy: false,
    };
    let mut machine = Counting::default();
    let mut effects = Says {
        told: Arc::default(),
        wanted: false,
    };
    let ended = run(log, OF, taken, &mut machine, &mut effects, stop).await;
    (machine, ended)
}
