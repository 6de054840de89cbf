//! What flows through a server, by two readings of its counters. In: readings and the time between. Out: rates and levels, a line a stage. Pure.

use std::time::Duration;

use serde_json::{Value, json};
use telemetry::{RecordTime, units};

use super::scrape::Scrape;
use crate::cli::columns::{rate, seconds};

/// Codes of requests that were answered well.
const WELL: [&str; 4] = ["OK", "200", "202", "204"];

/// Rates a second and levels of each stage.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Pipeline {
    requests_per_s: f64,
    refused_per_s: f64,
    spans_per_s: f64,
    points_per_s: f64,
    rejected_per_s: f64,
    records_per_s: f64,
    /// Mean time until what was written was durable.
    append_s: Option<f64>,
    queue_bytes: f64,
    log_bytes: f64,
    is_read_only: bool,
    open_traces: f64,
    /// How long ago what the slowest sampler sealed last came in; none before the first epoch. An epoch lasts 10 s.
    sealed_age_s: Option<f64>,
    stored_traces_per_s: f64,
    stored_spans_per_s: f64,
    samples_per_s: f64,
    queries_running: f64,
    /// What should never be: dead letters, offsets and ledgers that are lost, machines that disagree, damaged blocks.
    alarms: f64,
}

/// Counters that are 0 while all is well.
const ALARMS: [&str; 10] = [
    "tracewell_sampler_dead_letters_total",
    "tracewell_sampler_determinism_violations_total",
    "tracewell_sampler_offsets_lost_total",
    "tracewell_sampler_ledgers_lost_total",
    "tracewell_metrics_determinism_violations_total",
    "tracewell_metrics_offsets_lost_total",
    "tracewell_metrics_ledgers_lost_total",
    "tracewell_metrics_damaged_blocks_total",
    "tracewell_trace_store_damaged_blocks_total",
    "tracewell_bus_write_failures_total",
];

impl Pipeline {
    /// Counters that fell began anew: the server was started again meanwhile.
    pub(super) fn between(
        before: &Scrape,
        now: &Scrape,
        passed: Duration,
        wall: RecordTime,
    ) -> Self {
        let passed_s = passed.as_secs_f64().max(1e-3);
        let grown = |of: &dyn Fn(&Scrape) -> f64| {
            let (before, now) = (of(before), of(now));
            if now < before { now } else { now - before }
        };
        let rate = |name: &'static str| grown(&|scrape| scrape.sum(name)) / passed_s;
        let refused = |scrape: &Scrape| {
            scrape.sum_without("tracewell_collector_requests_total", "code", &WELL)
        };
        let appends = grown(&|scrape| scrape.sum("tracewell_bus_append_seconds_count"));
        let append_s = grown(&|scrape| scrape.sum("tracewell_bus_append_seconds_sum"));
        let watermark_s = now.min("tracewell_sampler_watermark_seconds");
        let wall_s = wall.unix_ms as f64 / 1_000.0;
        Self {
            requests_per_s: rate("tracewell_collector_requests_total"),
            refused_per_s: grown(&refused) / passed_s,
            spans_per_s: rate("tracewell_collector_spans_accepted_total"),
            points_per_s: rate("tracewell_collector_points_accepted_total"),
            rejected_per_s: rate("tracewell_collector_spans_rejected_total")
                + rate("tracewell_collector_points_rejected_total"),
            records_per_s: rate("tracewell_bus_records_total"),
            append_s: (appends > 0.0).then(|| append_s / appends),
            queue_bytes: now.sum("tracewell_bus_queue_bytes"),
            log_bytes: now.sum("tracewell_bus_log_bytes"),
            is_read_only: now.sum("tracewell_bus_read_only") > 0.0,
            open_traces: now.sum("tracewell_sampler_open_traces"),
            // 0 before the first record; what it says is in whole seconds
            sealed_age_s: watermark_s
                .filter(|watermark_s| *watermark_s > 0.0)
                .map(|watermark_s| (wall_s - watermark_s).max(0.0)),
            stored_traces_per_s: rate("tracewell_trace_store_traces_total"),
            stored_spans_per_s: rate("tracewell_trace_store_spans_total"),
            samples_per_s: rate("tracewell_metrics_samples_total"),
            queries_running: now.sum("tracewell_query_running"),
            alarms: ALARMS.iter().map(|name| now.sum(name)).sum(),
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "requests_per_s": self.requests_per_s,
            "refused_per_s": self.refused_per_s,
            "spans_per_s": self.spans_per_s,
            "points_per_s": self.points_per_s,
            "rejected_per_s": self.rejected_per_s,
            "records_per_s": self.records_per_s,
            "append_s": self.append_s,
            "queue_bytes": self.queue_bytes,
            "log_bytes": self.log_bytes,
            "read_only": self.is_read_only,
            "open_traces": self.open_traces,
            "sealed_age_s": self.sealed_age_s,
            "stored_traces_per_s": self.stored_traces_per_s,
            "stored_spans_per_s": self.stored_spans_per_s,
            "samples_per_s": self.samples_per_s,
            "queries_running": self.queries_running,
            "alarms": self.alarms,
        })
    }

    /// A line a stage, in the order of the flow.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut stage = |name: &str, now: String| lines.push(format!("{name:<12} {now}"));
        stage(
            "collector",
            format!(
                "{}/s requests, {}/s refused; {}/s spans, {}/s points, {}/s rejected",
                rate(self.requests_per_s),
                rate(self.refused_per_s),
                rate(self.spans_per_s),
                rate(self.points_per_s),
                rate(self.rejected_per_s)
            ),
        );
        let read_only = if self.is_read_only { "; READ-ONLY" } else { "" };
        stage(
            "log",
            format!(
                "{}/s records, durable in {}; {} queued, {} on disk{read_only}",
                rate(self.records_per_s),
                seconds(self.append_s),
                bytes(self.queue_bytes),
                bytes(self.log_bytes)
            ),
        );
        stage(
            "sampler",
            format!(
                "{} open traces; sealed up to {} ago",
                self.open_traces,
                seconds(self.sealed_age_s)
            ),
        );
        stage(
            "trace store",
            format!(
                "{}/s traces, {}/s spans",
                rate(self.stored_traces_per_s),
                rate(self.stored_spans_per_s)
            ),
        );
        stage(
            "metrics",
            format!("{}/s samples sealed", rate(self.samples_per_s)),
        );
        stage("query", format!("{} running", self.queries_running));
        if self.alarms > 0.0 {
            let text = format!(
                "{} things that should never be: see /metrics and the log",
                self.alarms
            );
            stage("ALARMS", text);
        }
        lines
    }
}

/// Bytes rounded to what a person reads.
fn bytes(of: f64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let found = UNITS.iter().find(|(_, factor)| of >= *factor as f64);
    match found {
        Some((unit, factor)) => format!("{} {unit}", rate(of / *factor as f64)),
        None => units::bytes::format(of.max(0.0) as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: f64) -> Scrape {
        Scrape::parse(&format!(
            "tracewell_collector_requests_total{{code=\"OK\"}} {n}\ntracewell_collector_requests_total{{code=\"429\"}} {}\n\
             tracewell_collector_spans_accepted_total{{tenant=\"a\"}} {}\ntracewell_bus_append_seconds_sum {}\n\
             tracewell_bus_append_seconds_count {n}\ntracewell_sampler_watermark_seconds{{partition=\"0\"}} 90\n\
             tracewell_sampler_watermark_seconds{{partition=\"1\"}} 80\ntracewell_bus_read_only 1\n",
            n / 2.0,
            n * 10.0,
            n * 0.004
        ))
    }

    #[test]
    fn rates_are_of_the_time_between_and_what_is_sealed_is_of_the_slowest() {
        let wall = RecordTime { unix_ms: 100_000 };
        let two_s = Duration::from_secs(2);
        let pipeline = Pipeline::between(&at(10.0), &at(20.0), two_s, wall);
        assert_eq!(
            (pipeline.requests_per_s, pipeline.refused_per_s),
            (7.5, 2.5)
        );
        assert_eq!(
            (pipeline.spans_per_s, pipeline.sealed_age_s),
            (50.0, Some(20.0))
        );
        let append_s = pipeline.append_s.expect("something was written");
        assert!((append_s - 0.004).abs() < 1e-9);
        let lines = pipeline.lines();
        assert!(
            lines.iter().any(|line| line.contains("READ-ONLY")),
            "{lines:#?}"
        );
        assert!(
            !lines.iter().any(|line| line.contains("ALARMS")),
            "{lines:#?}"
        );
        // started again meanwhile
        let again = Pipeline::between(&at(20.0), &at(10.0), two_s, wall);
        assert_eq!(again.spans_per_s, 50.0);
        let nothing =
            Pipeline::between(&Scrape::default(), &Scrape::default(), Duration::ZERO, wall);
        assert_eq!(nothing, Pipeline::default());
    }

    #[test]
    fn bytes_are_rounded() {
        for (n, text) in [
            (0.0, "0B"),
            (1_500.0, "1.46 KiB"),
            (67_108_864.0, "64.0 MiB"),
        ] {
            assert_eq!(bytes(n), text);
        }
    }
}
