//! Every target on its kept corpus and on seeded changes of it. `TRACEWELL_FUZZ_S=60` searches so long with seeds of its own and says which failed.

#![expect(
    clippy::disallowed_methods,
    reason = "how long a test searches is no configuration of the product"
)]
#![expect(clippy::print_stderr, reason = "a long search tells what it did")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fuzz::{TARGETS, Target, target};

/// Changed inputs of a target in the gate.
const INPUTS: u64 = 1_500;
/// Longest input that is made, in bytes.
const INPUT_BYTES_MAX: usize = 64 << 10;
/// Bytes of a failing input that the message shows.
const HEX_BYTES_MAX: usize = 2_000;

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{name} has no corpus");
    paths
        .iter()
        .map(|path| std::fs::read(path).expect("readable"))
        .collect()
}

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.roll() % n.max(1) as u64) as usize
    }
}

/// An input of the corpus with a few changes: flips, numbers at their limits, cuts, repeats and pieces of another.
fn changed(corpus: &[Vec<u8>], seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut input = corpus[dice.below(corpus.len())].clone();
    for _ in 0..=dice.below(6) {
        let (at, len) = (dice.below(input.len()), dice.below(24));
        let end = (at + len).min(input.len());
        match dice.below(7) {
            0 if !input.is_empty() => input[at] ^= 1 << dice.below(8),
            1 if !input.is_empty() => input[at] = [0, 0x7f, 0x80, 0xff][dice.below(4)],
            2 => input.truncate(at),
            3 => drop(input.drain(at..end)),
            4 => {
                let piece = input[at..end].to_vec();
                input.splice(at..at, piece);
            }
            5 => {
                let other = &corpus[dice.below(corpus.len())];
                let from = dice.below(other.len());
                let piece = other[from..(from + len * 4).min(other.len())].to_vec();
                input.splice(at..at, piece);
            }
            _ => {
                let random: Vec<u8> = (0..len).map(|_| dice.roll() as u8).collect();
                input.splice(at..end, random);
            }
        }
        input.truncate(INPUT_BYTES_MAX);
    }
    input
}

/// The first input that breaks a promise, with what it was made from.
fn first_failure(
    target: Target,
    inputs: impl Iterator<Item = (String, Vec<u8>)>,
) -> Option<String> {
    let mut inputs = inputs;
    inputs.find_map(|(origin, input)| {
        let broken = catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err();
        broken.then(|| {
            let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(target.name);
            std::fs::write(&kept, &input).expect("writable");
            let hex: String = input
                .iter()
                .take(HEX_BYTES_MAX)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let (name, kept) = (target.name, kept.display());
            format!("{name} breaks on {origin}: {hex}, whole in {kept}")
        })
    })
}

fn check(target: Target) {
    let corpus = corpus(target.name);
    let kept = (0..)
        .zip(&corpus)
        .map(|(n, input)| (format!("corpus file {n}"), input.clone()));
    let made = (0..INPUTS).map(|seed| (format!("seed {seed}"), changed(&corpus, seed)));
    if let Some(told) = first_failure(target, kept.chain(made)) {
        panic!("{told}");
    }
    let Some(seconds) = std::env::var("TRACEWELL_FUZZ_S")
        .ok()
        .and_then(|text| text.parse().ok())
    else {
        return;
    };
    let began = Instant::now();
    let from = std::process::id().into();
    let searched = (from..).take_while(|_| began.elapsed() < Duration::from_secs(seconds));
    let mut n_inputs = 0;
    let made = searched.map(|seed| {
        n_inputs += 1;
        (format!("seed {seed}"), changed(&corpus, seed))
    });
    if let Some(told) = first_failure(target, made) {
        panic!("{told}");
    }
    eprintln!("{}: {n_inputs} inputs from seed {from} on", target.name);
}

macro_rules! each_target {
    ($($name:ident)*) => {
        $(#[test] fn $name() { check(target(stringify!($name))); })*

        #[test]
        fn every_target_is_run() {
            let run = [$(stringify!($name)),*];
            assert!(TARGETS.iter().all(|target| run.contains(&target.name)));
        }
    };
}

each_target!(wire_scan regroup metrics_scan remote_write otlp_json log_replay ledger derived block_open traceql_parse promql_parse);

#[test]
fn a_broken_promise_is_seen() {
    let broken = Target {
        name: "broken",
        run: |bytes| assert!(!bytes.contains(&0x80)),
    };
    let corpus = [vec![1, 2, 3, 4]];
    let made = (0..INPUTS).map(|seed| (format!("seed {seed}"), changed(&corpus, seed)));
    let told = first_failure(broken, made).expect("some input has this byte");
    assert!(told.contains("80"), "{told}");
    let kept = std::fs::read(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("broken"));
    assert!(
        kept.expect("the input was kept").contains(&0x80),
        "another input was kept"
    );
}
