//! Whatever is asked, there is an answer or a refusal of the asker's: nothing fails inside, and nothing is cut off.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use telemetry::Tenant;

use super::names::shop;

const ROUTES: &[&str] = &[
    "query",
    "query_range",
    "query_exemplars",
    "format_query",
    "parse_query",
    "series",
    "labels",
    "label/service/values",
    "metadata",
    "status/tsdb",
    "rules",
];

/// Pieces of queries: put together at random they are now and then valid.
const PIECES: &[&str] = &[
    "calls_total",
    "{service=\"shop\"}",
    "{__name__=~\".+\"}",
    "{\"heat.degrees\"}",
    "[5m]",
    "[1h:1m]",
    "[1h:]",
    " offset -5m",
    " @ 1485452731",
    " @ end()",
    "rate(",
    "sum by (service) (",
    "topk(2, ",
    "histogram_quantile(0.9, ",
    "label_replace(",
    "count_over_time(",
    ")",
    ", ",
    "\"x\"",
    "1",
    "-",
    "+",
    " / ",
    " ^ ",
    " % ",
    " == bool ",
    " and ",
    " or on (a) ",
    " * ignoring (env) group_left () ",
    "1e308",
    "NaN",
    "Inf",
    "0x1F",
    "9223372036854775807",
    "1y",
    "'",
    "\\",
    "\u{0}",
    "é",
    "#",
    "\n",
    "[",
    "(",
    "time()",
    "vector(",
    "absent(",
    "scalar(",
    "inf",
    "{}",
];

const TIMES: &[&str] = &[
    "0",
    "1485452731.639",
    "1485452000",
    "-1",
    "4503599627370",
    "-4503599627370",
    "4503599627371",
    "1e300",
    "NaN",
    "",
    "noon",
    "2017-01-26T17:45:31Z",
    "-292273086-05-16T16:47:06Z",
    "292277025-08-18T07:12:54.999999999Z",
];

const STEPS: &[&str] = &[
    "1",
    "60",
    "1h",
    "0.001",
    "0",
    "-1",
    "1y",
    "1e18",
    "x",
    "4503599627370",
];

type Asked = (&'static str, String, [&'static str; 4]);

fn asked() -> impl Strategy<Value = Asked> {
    let text = proptest::collection::vec(proptest::sample::select(PIECES), 0..7);
    let time = || proptest::sample::select(TIMES);
    let step = proptest::sample::select(STEPS);
    (
        proptest::sample::select(ROUTES),
        text,
        time(),
        time(),
        time(),
        step,
    )
        .prop_map(|(route, text, at, start, end, step)| {
            (route, text.concat(), [at, start, end, step])
        })
}

#[test]
fn nothing_that_is_asked_fails_inside() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let served = runtime.block_on(shop());
    let tenant = Tenant::default_tenant();
    let config = Config {
        cases: 400,
        failure_persistence: None,
        ..Config::default()
    };
    let told = TestRunner::new(config).run(&asked(), |(route, text, [at, start, end, step])| {
        let parameters = [
            ("query", text.as_str()),
            ("match[]", &text),
            ("time", at),
            ("start", start),
            ("end", end),
            ("step", step),
            ("limit", "5"),
        ];
        let (path, n_query) = (format!("/api/v1/{route}"), usize::from(text.len() % 2 == 0));
        let answer = match n_query {
            0 => runtime.block_on(served.get_with(&path, &parameters)),
            _ => runtime.block_on(served.post_form(&path, &tenant, &parameters)),
        };
        let is_known = matches!(answer.status, 200 | 400 | 405 | 422 | 503);
        prop_assert!(is_known, "{} {}", answer.status, answer.text);
        if answer.status != 405 {
            let status = if answer.status == 200 {
                "success"
            } else {
                "error"
            };
            prop_assert_eq!(&answer.json()["status"], status);
        }
        Ok(())
    });
    told.expect("nothing fails inside");
}
