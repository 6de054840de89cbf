//! Names: what an OTLP metric, its unit and its attributes are called in Prometheus ("OpenTelemetry Metrics: Prometheus compatibility", with suffixes).

use std::borrow::Cow;

use super::{Kind, Metric};

const UNITS: &[(&str, &str)] = &[
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("1", ""),
    ("%", "percent"),
];

const PER_UNITS: &[(&str, &str)] = &[
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

fn known<'a>(units: &[(&str, &'a str)], unit: &str) -> Option<&'a str> {
    let found = units.iter().find(|(at, _)| *at == unit);
    found.map(|(_, name)| *name)
}

/// The metric's name, with its unit and kind as suffixes.
pub(super) fn metric(metric: &Metric<'_>) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == ':';
    let parts = metric.name.split(|c| !is_part(c));
    let mut parts: Vec<String> = parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    let (main, per) = unit_parts(metric.unit);
    let has = |parts: &[String], word: &str| parts.iter().any(|part| part == word);
    if !main.is_empty() && !has(&parts, &main) {
        parts.push(main);
    }
    if !per.is_empty() && !has(&parts, &per) {
        parts.extend(["per".to_owned(), per]);
    }
    let suffix = match metric.kind {
        Kind::Sum {
            monotonic: true, ..
        } => Some("total"),
        Kind::Gauge if metric.unit == "1" => Some("ratio"),
        _ => None,
    };
    if let Some(suffix) = suffix {
        parts.retain(|part| part != suffix);
        parts.push(suffix.to_owned());
    }
    let name = parts.join("_");
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}

/// The unit as metadata has it.
pub(super) fn unit(unit: &str) -> String {
    let (main, per) = unit_parts(unit);
    match (main.is_empty(), per.is_empty()) {
        (_, true) => main,
        (true, false) => format!("per_{per}"),
        (false, false) => format!("{main}_per_{per}"),
    }
}

/// What is measured, and per what. Annotations in braces are no unit.
fn unit_parts(unit: &str) -> (String, String) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let name = |unit: &str, units: &[(&str, &'static str)]| {
        let unit = unit.trim();
        if unit.is_empty() || unit.contains(['{', '}']) {
            return String::new();
        }
        known(units, unit).map_or_else(|| cleaned(unit), str::to_owned)
    };
    (name(main, UNITS), name(per, PER_UNITS))
}

fn cleaned(unit: &str) -> String {
    let words = unit.split(|c: char| !c.is_ascii_alphanumeric() && c != ':');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("_")
}

/// The name of an attribute as a label.
pub(super) fn label(key: &str) -> Cow<'_, str> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts_with_digit = key.starts_with(|c: char| c.is_ascii_digit());
    let starts_with_one_line = key.starts_with('_') && !key.starts_with("__");
    if key.chars().all(is_allowed) && !starts_with_digit && !starts_with_one_line {
        return Cow::Borrowed(key);
    }
    let allowed: String = key
        .chars()
        .map(|c| if is_allowed(c) { c } else { '_' })
        .collect();
    if allowed.starts_with(|c: char| c.is_ascii_digit()) {
        Cow::Owned(format!("key_{allowed}"))
    } else if allowed.starts_with('_') && !allowed.starts_with("__") {
        Cow::Owned(format!("key{allowed}"))
    } else {
        Cow::Owned(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTER: Kind = Kind::Sum {
        monotonic: true,
        delta: false,
    };
    const UP_DOWN: Kind = Kind::Sum {
        monotonic: false,
        delta: false,
    };

    #[track_caller]
    fn check(name: &str, unit: &str, kind: Kind, expected: &str) {
        let described = Metric {
            name,
            unit,
            description: "",
            kind,
        };
        assert_eq!(metric(&described), expected, "{name} in {unit}");
    }

    #[test]
    fn names_have_units_and_kinds_as_suffixes() {
        check(
            "http.server.request.duration",
            "s",
            Kind::Histogram { delta: false },
            "http_server_request_duration_seconds",
        );
        check(
            "container.cpu.time",
            "s",
            COUNTER,
            "container_cpu_time_seconds_total",
        );
        check(
            "system.cpu.utilization",
            "1",
            Kind::Gauge,
            "system_cpu_utilization_ratio",
        );
        check(
            "system.memory.usage",
            "By",
            UP_DOWN,
            "system_memory_usage_bytes",
        );
        check(
            "container.memory.events",
            "{event}",
            COUNTER,
            "container_memory_events_total",
        );
        check("requests.total", "1", COUNTER, "requests_total");
        check(
            "network.speed",
            "By/s",
            Kind::Gauge,
            "network_speed_bytes_per_second",
        );
        check(
            "queue.rate",
            "{item}/s",
            Kind::Gauge,
            "queue_rate_per_second",
        );
        check("2nd.thing", "", Kind::Gauge, "_2nd_thing");
        check("disk  (free)", "%", Kind::Gauge, "disk_free_percent");
        check(
            "temperature_celsius",
            "Cel",
            Kind::Gauge,
            "temperature_celsius",
        );
        check("odd", "foo-bar", Kind::Gauge, "odd_foo_bar");
    }

    #[test]
    fn keys_become_labels() {
        for (key, expected) in [
            ("http.route", "http_route"),
            ("job", "job"),
            ("1st", "key_1st"),
            ("_x", "key_x"),
            ("__x", "__x"),
            ("ä.b", "__b"),
        ] {
            assert_eq!(label(key), expected, "{key}");
        }
        assert_eq!(unit("By/s"), "bytes_per_second");
        assert_eq!((unit("1"), unit("{x}")), (String::new(), String::new()));
    }
}
