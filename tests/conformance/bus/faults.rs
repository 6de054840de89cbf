//! The log that fails on purpose: without faults it is a log like any other, with them the promises of the errors hold.

use bus::Bus;
use bus::testing::{Faults, Faulty};
use tempfile::TempDir;

use super::*;

/// Faults that change nothing but who goes first.
const TURNS: Faults = Faults {
    append_refused: 0.0,
    append_unanswered: 0.0,
    consume: 0.0,
    fetch: 0.0,
    commit_refused: 0.0,
    commit_unanswered: 0.0,
    n_turns_max: 3,
};

fn faulty(faults: Faults, seed: u64) -> (Bus, Faulty<Local>, TempDir) {
    let dir = TempDir::new().expect("a folder");
    let faulty = Faulty::new(local::open(&dir), faults, seed);
    (Bus::Faulty(faulty.clone()), faulty, dir)
}

fn pair() -> (Bus, Bus, TempDir) {
    let (bus, _, dir) = faulty(TURNS, 1);
    (bus.clone(), bus, dir)
}

suite!(pair);

#[tokio::test]
async fn an_append_that_failed_may_be_in_the_log_and_one_that_did_not_is() {
    let faults = Faults {
        append_refused: 0.3,
        append_unanswered: 0.3,
        ..TURNS
    };
    let (bus, _, _dir) = faulty(faults, 7);
    let (mut acked, mut failed) = (Vec::new(), Vec::new());
    for payload in numbered(0..100) {
        match bus.append(vec![draft(0, payload.clone())]).await {
            Ok(_) => acked.push(payload),
            Err(_) => failed.push(payload),
        }
    }
    let found = payloads(&read(&bus, 0, Start::Earliest).await);
    assert!(acked.iter().all(|payload| found.contains(payload)));
    let n_failed_and_found = failed
        .iter()
        .filter(|payload| found.contains(payload))
        .count();
    assert_eq!(found.len(), acked.len() + n_failed_and_found);
    assert!(
        (1..failed.len()).contains(&n_failed_and_found),
        "both kinds of failure happened"
    );
}

#[tokio::test]
async fn a_read_that_failed_is_read_again() {
    let (bus, faulty, _dir) = faulty(TURNS, 3);
    append(&bus, 0, numbered(0..40)).await;
    faulty.set(Faults {
        consume: 0.5,
        ..TURNS
    });
    let mut consumer = bus
        .consume(spans(0), Start::Earliest)
        .await
        .expect("consumes");
    let (mut records, mut n_failed) = (Vec::new(), 0);
    for i in 40..80 {
        match consumer.next().await {
            Ok(Fetched::Records(batch)) => records.extend(batch),
            Ok(Fetched::End) => {
                faulty.set(TURNS);
                append(&bus, 0, numbered(i..i + 1)).await;
                faulty.set(Faults {
                    consume: 0.5,
                    ..TURNS
                });
            }
            Err(LogError::Unavailable(_)) => n_failed += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(n_failed > 5);
    let all = payloads(&read(faulty.inner(), 0, Start::Earliest).await);
    assert_eq!(payloads(&records), all[..records.len()]);
    assert!(records.len() >= 40);
}

#[tokio::test]
async fn a_commit_that_failed_is_the_old_one_or_the_new_one() {
    let faults = Faults {
        commit_refused: 0.3,
        commit_unanswered: 0.3,
        ..TURNS
    };
    let (bus, _, _dir) = faulty(faults, 11);
    let mut before = None;
    for n in 0..100 {
        let commit = Commit {
            offset: Offset(n),
            end_offset: Offset(n + 1),
        };
        let answer = bus.commit(spans(0), commit).await;
        let found = bus.committed(spans(0)).await.expect("reads");
        assert!(found == Some(commit) || (answer.is_err() && found == before));
        before = found;
    }
}

#[tokio::test]
async fn a_fetch_that_failed_can_be_repeated() {
    let (bus, _, _dir) = faulty(
        Faults {
            fetch: 0.5,
            ..TURNS
        },
        5,
    );
    let offsets = append(&bus, 0, numbered(0..1)).await;
    let mut n_failed = 0;
    for _ in 0..20 {
        match bus.fetch(spans(0), &offsets).await {
            Ok(records) => assert_eq!(payloads(&records), ["payload 0"]),
            Err(LogError::Unavailable(_)) => n_failed += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!((1..20).contains(&n_failed));
}
