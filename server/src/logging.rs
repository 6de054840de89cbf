//! The process's own log: one event a line on stderr, text on a terminal, else JSON with the keys ts, level, code, msg, target and the
//! event's fields. A writer that fails is ignored: a full disk behind stderr must not stop anything.

use std::fmt;
use std::io::{IsTerminal, Write};

use serde_json::{Map, Value};
use telemetry::Clock;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::{Level, Log, LogFormat};

/// Installs the log for the whole process. A second call changes nothing.
pub(crate) fn install(config: &Log, clock: Clock) {
    let level = match config.level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    };
    // Libraries below us are told of at warn and above only: their debug output may hold payload.
    let filter = EnvFilter::new(format!(
        "warn,{}",
        OURS.map(|name| format!("{name}={level}")).join(",")
    ));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Forgiving::stderr);
    let json = match config.format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let installed = if json {
        subscriber.event_format(JsonLine { clock }).try_init()
    } else {
        subscriber.with_target(false).try_init()
    };
    drop(installed); // in tests the harness may have installed one before
}

/// Crates whose level the configuration sets.
const OURS: [&str; 10] = [
    "server",
    "telemetry",
    "bus",
    "blocks",
    "collector",
    "sampler",
    "trace_store",
    "metrics",
    "query",
    "agent",
];

/// Writes what it can and reports success: nobody could be told of a failure.
struct Forgiving(std::io::Stderr);

impl Forgiving {
    fn stderr() -> Self {
        Self(std::io::stderr())
    }
}

impl Write for Forgiving {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(self.0.write(bytes).unwrap_or(bytes.len()))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        drop(self.0.flush());
        Ok(())
    }
}

/// One JSON object a line.
struct JsonLine {
    clock: Clock,
}

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        line.insert("ts".to_owned(), timestamp(&self.clock).into());
        line.insert(
            "level".to_owned(),
            event
                .metadata()
                .level()
                .as_str()
                .to_ascii_lowercase()
                .into(),
        );
        line.insert("target".to_owned(), event.metadata().target().into());
        event.record(&mut Fields(&mut line));
        writeln!(writer, "{}", Value::Object(line))
    }
}

fn timestamp(clock: &Clock) -> String {
    jiff::Timestamp::from_millisecond(clock.wall().unix_ms)
        .map_or_else(|_| String::new(), |t| format!("{t:.3}"))
}

/// Collects an event's fields; its message becomes `msg`.
struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        let name = if field.name() == "message" {
            "msg"
        } else {
            field.name()
        };
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}
