//! The least value at which each setting still works, and what settings ask of each other. In: a read configuration. Out: what is wrong with it, by key.

use std::fmt;
use std::time::Duration;

use telemetry::units;

use super::Config;

/// A value with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Amount {
    Count(u64),
    Bytes(u64),
    Time(Duration),
}

use Amount::{Bytes, Count, Time};

/// A setting that must not be less than something.
struct Least {
    key: &'static str,
    value: fn(&Config) -> Amount,
    least: Amount,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const fn ms(ms: u64) -> Amount {
    Time(Duration::from_millis(ms))
}

const fn at_least(key: &'static str, least: Amount, value: fn(&Config) -> Amount) -> Least {
    Least { key, value, least }
}

/// Every setting whose type lets it be too small. docs/configuration.md says the same, which a test compares.
const ALL: [Least; 24] = [
    at_least("collector.limits.body_max", Bytes(KIB), |c| {
        Bytes(c.collector.limits.body_max)
    }),
    at_least("collector.limits.inflated_max", Bytes(KIB), |c| {
        Bytes(c.collector.limits.inflated_max)
    }),
    at_least("collector.limits.items_max", Count(1), |c| {
        Count(c.collector.limits.items_max.into())
    }),
    at_least("collector.limits.headers_max", Bytes(KIB), |c| {
        Bytes(c.collector.limits.headers_max)
    }),
    at_least("collector.limits.connections_max", Count(1), |c| {
        Count(c.collector.limits.connections_max.into())
    }),
    at_least("collector.limits.streams_max", Count(1), |c| {
        Count(c.collector.limits.streams_max.into())
    }),
    at_least("collector.limits.connection_age", ms(1_000), |c| {
        Time(c.collector.limits.connection_age)
    }),
    at_least("collector.limits.body_idle", ms(100), |c| {
        Time(c.collector.limits.body_idle)
    }),
    at_least("collector.limits.body_total", ms(100), |c| {
        Time(c.collector.limits.body_total)
    }),
    at_least("collector.limits.answer", ms(100), |c| {
        Time(c.collector.limits.answer)
    }),
    at_least("bus.retention", ms(60_000), |c| Time(c.bus.retention)),
    at_least("bus.bytes_max", Bytes(MIB), |c| Bytes(c.bus.bytes_max)),
    at_least("bus.segment_bytes_max", Bytes(MIB), |c| {
        Bytes(c.bus.segment_bytes_max)
    }),
    at_least("bus.queue_bytes_max", Bytes(MIB), |c| {
        Bytes(c.bus.queue_bytes_max)
    }),
    at_least("bus.kafka.session_timeout", ms(6_000), |c| {
        Time(c.bus.kafka.session_timeout)
    }),
    at_least("bus.kafka.append_timeout", ms(100), |c| {
        Time(c.bus.kafka.append_timeout)
    }),
    at_least("trace_store.retention", ms(60_000), |c| {
        Time(c.trace_store.retention)
    }),
    at_least("trace_store.merge_bytes_max", Bytes(MIB), |c| {
        Bytes(c.trace_store.merge_bytes_max)
    }),
    at_least("trace_store.search_bytes_max", Bytes(MIB), |c| {
        Bytes(c.trace_store.search_bytes_max)
    }),
    at_least("trace_store.search_time_max", ms(10), |c| {
        Time(c.trace_store.search_time_max)
    }),
    at_least("query.running_max", Count(1), |c| {
        Count(c.query.running_max as u64)
    }),
    at_least("query.deadline", ms(10), |c| Time(c.query.deadline)),
    at_least("query.answer_bytes_max", Bytes(KIB), |c| {
        Bytes(c.query.answer_bytes_max)
    }),
    at_least("query.tail_interval", ms(10), |c| {
        Time(c.query.tail_interval)
    }),
];

/// A key whose value cannot work, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unworkable {
    pub(super) key: &'static str,
    pub(super) why: String,
}

/// Everything in `config` that is too small by itself or beside another setting.
pub(super) fn unworkable(config: &Config) -> Vec<Unworkable> {
    let too_small = ALL.iter().filter_map(|setting| {
        let value = (setting.value)(config);
        (value < setting.least).then(|| Unworkable {
            key: setting.key,
            why: format!("{value} is too little; it is at least {}", setting.least),
        })
    });
    too_small.chain(beside_others(config)).collect()
}

fn beside_others(config: &Config) -> impl Iterator<Item = Unworkable> {
    let limits = &config.collector.limits;
    let one_request = limits.body_max.saturating_add(limits.inflated_max);
    let keep_read = config.sampler.late_window.max(Duration::from_secs(10 * 60));
    let rules = [
        (
            "collector.limits.ingest_memory",
            limits.ingest_memory < one_request,
            format!(
                "{} cannot hold one request of collector.limits.body_max and inflated_max; it is at least {}",
                Bytes(limits.ingest_memory),
                Bytes(one_request)
            ),
        ),
        (
            "collector.limits.drain",
            limits.drain > config.server.shutdown,
            format!(
                "{} is longer than server.shutdown, {}",
                Time(limits.drain),
                Time(config.server.shutdown)
            ),
        ),
        (
            "bus.keep_read",
            config.bus.keep_read < keep_read,
            format!(
                "{} is less than sampler.late_window or 10 min; it is at least {}",
                Time(config.bus.keep_read),
                Time(keep_read)
            ),
        ),
    ];
    rules
        .into_iter()
        .filter(|(_, is_broken, _)| *is_broken)
        .map(|(key, _, why)| Unworkable { key, why })
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Count(count) => count.fmt(f),
            Bytes(bytes) => f.write_str(&units::bytes::format(*bytes)),
            Time(time) => f.write_str(&units::duration::format(*time)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_defaults_work() {
        assert_eq!(unworkable(&Config::default()), []);
    }

    #[test]
    fn what_is_too_small_is_told_by_key() {
        let mut config = Config::default();
        config.query.running_max = 0;
        config.collector.limits.ingest_memory = MIB;
        config.bus.keep_read = Duration::from_secs(60);
        let told: Vec<String> = unworkable(&config)
            .into_iter()
            .map(|wrong| format!("{}: {}", wrong.key, wrong.why))
            .collect();
        assert_eq!(
            told,
            [
                "query.running_max: 0 is too little; it is at least 1",
                "collector.limits.ingest_memory: 1MiB cannot hold one request of collector.limits.body_max and inflated_max; it is at least 80MiB",
                "bus.keep_read: 1m is less than sampler.late_window or 10 min; it is at least 10m",
            ]
        );
    }

    #[test]
    fn the_document_tells_the_same_ranges() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
        let text = std::fs::read_to_string(path).expect("the document is there");
        for setting in &ALL {
            let row = text
                .lines()
                .find(|line| line.starts_with(&format!("| `{}` |", setting.key)))
                .unwrap_or_else(|| panic!("no row of {}", setting.key));
            let range = row.split('|').nth(4).map(str::trim);
            let expected = format!("at least {}", setting.least);
            assert_eq!(range, Some(expected.as_str()), "{}", setting.key);
        }
    }
}
