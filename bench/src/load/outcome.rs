//! What became of the spans that a generator sent.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use hdrhistogram::Histogram;

/// Longest latency that is told apart, in µs: 10 minutes.
const LATENCY_US_MAX: u64 = 600_000_000;

/// How a request was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Durable, except for so many spans that were rejected for what they are.
    Acked { n_rejected: u32 },
    /// Not taken; the sender may send it again.
    Refused,
    /// Not taken, and sending it again would not help.
    Failed,
    /// No answer: taken or not.
    Unknown,
}

/// Counts of spans by answer, and the latency of acknowledged requests.
#[derive(Debug, Clone)]
pub struct Outcome {
    pub acked: u64,
    pub rejected: u64,
    pub refused: u64,
    pub failed: u64,
    pub unknown: u64,
    pub n_requests: u64,
    pub wall_ms: u64,
    /// CPU time of the generator itself, the making of the corpus included.
    pub cpu_ms: u64,
    pub p50_us: u64,
    pub p99_us: u64,
    latency: Histogram<u32>,
}

impl Default for Outcome {
    fn default() -> Self {
        let latency =
            Histogram::new_with_bounds(1, LATENCY_US_MAX, 2).expect("the bounds are valid");
        Self {
            acked: 0,
            rejected: 0,
            refused: 0,
            failed: 0,
            unknown: 0,
            n_requests: 0,
            wall_ms: 0,
            cpu_ms: 0,
            p50_us: 0,
            p99_us: 0,
            latency,
        }
    }
}

impl Outcome {
    /// Spans sent, each as often as it was sent.
    #[must_use]
    pub fn offered(&self) -> u64 {
        self.acked + self.rejected + self.refused + self.failed + self.unknown
    }

    pub(crate) fn count(&mut self, n_spans: u32, answer: Answer, latency: Duration) {
        let n_spans = u64::from(n_spans);
        self.n_requests += 1;
        match answer {
            Answer::Acked { n_rejected } => {
                let n_rejected = u64::from(n_rejected).min(n_spans);
                self.acked += n_spans - n_rejected;
                self.rejected += n_rejected;
                self.latency.saturating_record(latency.as_micros() as u64);
            }
            Answer::Refused => self.refused += n_spans,
            Answer::Failed => self.failed += n_spans,
            Answer::Unknown => self.unknown += n_spans,
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.acked += other.acked;
        self.rejected += other.rejected;
        self.refused += other.refused;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.n_requests += other.n_requests;
        self.latency
            .add(&other.latency)
            .expect("both histograms have the same bounds");
        self.p50_us = self.latency.value_at_quantile(0.50);
        self.p99_us = self.latency.value_at_quantile(0.99);
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {} {} {} {} {} {} {} {}",
            self.acked,
            self.rejected,
            self.refused,
            self.failed,
            self.unknown,
            self.n_requests,
            self.wall_ms,
            self.cpu_ms,
            self.p50_us,
            self.p99_us
        )
    }
}

impl FromStr for Outcome {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let numbers: Result<Vec<u64>, _> = line.split(' ').map(str::parse).collect();
        let numbers =
            numbers.with_context(|| format!("the load generator's last line was {line:?}"))?;
        let [
            acked,
            rejected,
            refused,
            failed,
            unknown,
            n_requests,
            wall_ms,
            cpu_ms,
            p50_us,
            p99_us,
        ] = numbers[..]
            .try_into()
            .with_context(|| format!("10 numbers expected, the load generator said {line:?}"))?;
        Ok(Self {
            acked,
            rejected,
            refused,
            failed,
            unknown,
            n_requests,
            wall_ms,
            cpu_ms,
            p50_us,
            p99_us,
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_reads_back_what_it_writes() {
        let mut outcome = Outcome::default();
        let mut part = Outcome::default();
        part.count(
            512,
            Answer::Acked { n_rejected: 2 },
            Duration::from_millis(3),
        );
        part.count(16, Answer::Refused, Duration::ZERO);
        part.count(1, Answer::Failed, Duration::ZERO);
        part.count(3, Answer::Unknown, Duration::ZERO);
        outcome.add(&part);
        let read: Outcome = outcome.to_string().parse().expect("own text");
        assert_eq!(
            (
                read.acked,
                read.rejected,
                read.refused,
                read.failed,
                read.unknown
            ),
            (510, 2, 16, 1, 3)
        );
        assert_eq!(read.offered(), 532);
        assert_eq!(read.n_requests, 4);
        assert!((2_900..3_100).contains(&read.p99_us));
        assert!("1 2".parse::<Outcome>().is_err());
    }
}
