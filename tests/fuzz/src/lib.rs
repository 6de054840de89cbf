//! Fuzz targets: each takes any bytes and panics if a promise about them is broken.
//!
//! In: bytes. Out: nothing, or a panic. The gate runs every target on its kept corpus and on seeded changes of it (`tests/corpus.rs`); `make fuzz` searches on.

mod block_open;
mod derived;
mod ledger;
mod log_replay;
mod metrics_scan;
mod otlp_json;
mod promql_parse;
mod regroup;
mod remote_write;
mod traceql_parse;
mod wire_scan;

/// A target by its name.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

/// Every target there is.
pub const TARGETS: &[Target] = &[
    Target {
        name: "wire_scan",
        run: wire_scan::run,
    },
    Target {
        name: "regroup",
        run: regroup::run,
    },
    Target {
        name: "metrics_scan",
        run: metrics_scan::run,
    },
    Target {
        name: "remote_write",
        run: remote_write::run,
    },
    Target {
        name: "otlp_json",
        run: otlp_json::run,
    },
    Target {
        name: "log_replay",
        run: log_replay::run,
    },
    Target {
        name: "ledger",
        run: ledger::run,
    },
    Target {
        name: "derived",
        run: derived::run,
    },
    Target {
        name: "block_open",
        run: block_open::run,
    },
    Target {
        name: "traceql_parse",
        run: traceql_parse::run,
    },
    Target {
        name: "promql_parse",
        run: promql_parse::run,
    },
];

/// The target of this name.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn target(name: &str) -> Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    *found.unwrap_or_else(|| panic!("no target is called {name}"))
}
