//! `tracewell query 'PROMQL'`: the answer of Prometheus' API as a table or as data.

mod answer;
mod moment;
mod rows;
mod table;

use clap::Args;
use telemetry::Clock;

use super::print::{self, Safe, complain};
use super::remote::{self, Remote, RemoteError, ask as send};
use answer::Answer;

pub(super) const EXAMPLES: &str = "Examples:
  tracewell query 'sum by (service_name) (rate(traces_span_metrics_calls_total[5m]))'
  tracewell query 'histogram_quantile(0.99, sum(rate(tracewell_span_duration_seconds[5m])))' --at now-1h
  tracewell query 'count by (__name__) ({__name__!=\"\"})'      which metrics there are
  tracewell query up --from now-1h --step 1m               a value each minute
  tracewell query up --from 2026-11-25T09:00:00Z --to 2026-11-25T10:00:00Z -o json | jq .data";

/// What is asked, and when.
#[derive(Debug, Args)]
pub(super) struct Question {
    /// The query, in PromQL; quote it
    #[arg(value_name = "PROMQL")]
    text: String,
    /// The instant: now, now-15m, RFC 3339, or seconds since 1970
    #[arg(long, value_name = "TIME", default_value = "now", conflicts_with_all = ["from", "to", "step"])]
    at: String,
    /// Begin of a range; the answer has a value each step
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// End of the range
    #[arg(long, value_name = "TIME", default_value = "now", requires = "from")]
    to: String,
    /// Time between values, such as 15s or 1m; without it about 60 values are asked for
    #[arg(long, value_name = "DURATION", requires = "from")]
    step: Option<String>,
}

/// Values of a range that are asked for when nobody says how many.
const VALUES: i64 = 60;

/// Path and parameters of the API.
type Request = (&'static str, Vec<(&'static str, String)>);

impl Question {
    /// What is sent.
    fn request(&self, now_unix_ms: i64) -> Result<Request, RemoteError> {
        let read = |name: &str, text: &str| {
            moment::read(text, now_unix_ms).ok_or_else(|| {
                RemoteError::BadUsage(format!(
                    "--{name} {text:?} is no time: write now, now-15m, 2026-11-25T09:00:00Z or seconds since 1970"
                ))
            })
        };
        let query = ("query", self.text.clone());
        let Some(from) = &self.from else {
            let at = read("at", &self.at)?;
            return Ok(("query", vec![query, ("time", moment::seconds(at))]));
        };
        let (start, end) = (read("from", from)?, read("to", &self.to)?);
        let step = self.step.clone().unwrap_or_else(|| {
            let step_ms = (end.saturating_sub(start) / VALUES).max(1_000);
            moment::seconds(step_ms.saturating_sub(step_ms.rem_euclid(1_000)))
        });
        let range = [
            ("start", moment::seconds(start)),
            ("end", moment::seconds(end)),
            ("step", step),
        ];
        Ok(("query_range", std::iter::once(query).chain(range).collect()))
    }
}

pub(super) async fn ask(remote: Remote, question: Question) -> Result<(), RemoteError> {
    let (path, parameters) = question.request(Clock::host().wall().unix_ms)?;
    let form = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    let request = remote
        .post(&format!("/api/v1/{path}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let answer = send(request).await?;
    let csv = |answer: &remote::Answer| Ok(rows::csv(&answer.read()?));
    remote.show(&answer, csv, print_table)
}

fn print_table(answer: &remote::Answer) -> Result<(), RemoteError> {
    let answer: Answer = answer.read()?;
    for (kind, notes) in [("warning", &answer.warnings), ("info", &answer.infos)] {
        for note in notes {
            complain(format_args!("{kind}: {}", Safe(note)));
        }
    }
    let lines = table::lines(&answer.data);
    if lines.is_empty() {
        complain(
            "nothing there at that time (what was sent is some 10 s on its way); which metrics there are: tracewell query 'count by (__name__) ({__name__!=\"\"})'",
        );
    }
    let _all = lines.iter().all(print::line);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(from: Option<&str>, step: Option<&str>) -> Question {
        Question {
            text: "up".to_owned(),
            at: "now-1m".to_owned(),
            from: from.map(str::to_owned),
            to: "now".to_owned(),
            step: step.map(str::to_owned),
        }
    }

    #[track_caller]
    fn check(question: &Question, path: &str, parameters: &[(&str, &str)]) {
        let (found, pairs) = question.request(7_200_500).expect("times");
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| (*n, v.as_str())).collect();
        assert_eq!((found, pairs.as_slice()), (path, parameters));
    }

    #[test]
    fn times_become_parameters() {
        check(
            &question(None, None),
            "query",
            &[("query", "up"), ("time", "7140.5")],
        );
        check(
            &question(Some("now-1h"), None),
            "query_range",
            &[
                ("query", "up"),
                ("start", "3600.5"),
                ("end", "7200.5"),
                ("step", "60"),
            ],
        );
        check(
            &question(Some("7190"), Some("5s")),
            "query_range",
            &[
                ("query", "up"),
                ("start", "7190"),
                ("end", "7200.5"),
                ("step", "5s"),
            ],
        );
        let wrong = question(Some("yesterday"), None).request(0);
        let told = wrong.expect_err("no time").to_string();
        assert!(told.contains("--from \"yesterday\" is no time"), "{told}");
    }
}
