//! What a query may cost, and that it ends.

use std::time::Duration;

use metrics::promql::{Engine, EngineConfig, ErrorType, PromqlError, QueryOptions, QueryRange};
use telemetry::{Clock, Tenant};

use super::world::{Load, World, run};

const NOW_MS: i64 = 2_000_000_000;

/// A query that computes for some ten seconds, if it is let.
fn endless() -> String {
    vec!["changes(load[1000s])"; 40].join(" + ")
}

/// 50 series with a sample a second for 1,000 s.
async fn load(world: &mut World) {
    let series = |n: usize| Load {
        labels: vec![
            ("__name__".to_owned(), "load".to_owned()),
            ("n".to_owned(), n.to_string()),
        ],
        samples: (0..1_000).map(|s| (s * 1_000, s as f64)).collect(),
        histograms: Vec::new(),
    };
    let loads: Vec<Load> = (0..50).map(series).collect();
    world.load(&Tenant::default_tenant(), &loads).await;
}

async fn range(
    engine: &Engine,
    query: &str,
    step_ms: i64,
    options: QueryOptions,
) -> Result<u64, PromqlError> {
    let range = QueryRange {
        start_unix_ms: 0,
        end_unix_ms: 1_000_000,
        step_ms,
    };
    let tenant = Tenant::default_tenant();
    engine
        .range(&tenant, query, range, options)
        .await
        .map(|answer| answer.n_samples)
}

#[test]
fn a_query_that_is_too_dear_is_refused_by_what_it_costs() {
    run(NOW_MS, async |mut world| {
        load(&mut world).await;
        let engine = |config: EngineConfig| Engine::new(world.store.clone(), config);
        let plain = QueryOptions::default();
        let whole = engine(EngineConfig::default());
        assert_eq!(
            range(&whole, "sum(load)", 1_000, plain).await.ok(),
            Some(50_050)
        );

        // looking at them again and again is bounded by time
        let again = range(&whole, "max_over_time(load[100s])", 1_000, plain).await;
        assert!(again.is_ok_and(|n_samples| n_samples > 4_000_000));

        let few = QueryOptions {
            samples_max: Some(40_000),
            ..plain
        };
        let refused = range(&whole, "sum(load)", 1_000, few).await;
        assert!(
            matches!(
                refused,
                Err(PromqlError::TooManySamples {
                    samples_max: 40_000
                })
            ),
            "{refused:?}"
        );
        // 50 lines of 1 001 places; 50 000 samples of 16 bytes are never held at once
        let small = |bytes| {
            engine(EngineConfig {
                memory_bytes_max: bytes,
                ..EngineConfig::default()
            })
        };
        for folded in [
            "sum(load)",
            "sum(rate(load[5m]))",
            "max(max_over_time(load[1m]))",
            "count(rate(load[2m:10s]))",
        ] {
            let answer = range(&small(150_000), folded, 1_000, plain).await;
            assert!(answer.is_ok(), "{folded}: {answer:?}");
        }
        let refused = range(&small(300_000), "load", 1_000, plain).await;
        assert!(
            matches!(refused, Err(PromqlError::TooMuchMemory { .. })),
            "{refused:?}"
        );
        assert!(range(&small(1_500_000), "load", 1_000, plain).await.is_ok());
        assert_eq!(
            refused.err().map(|error| error.error_type()),
            Some(ErrorType::Execution)
        );

        let begin = Clock::host().monotonic();
        let short = QueryOptions {
            timeout: Some(Duration::from_millis(50)),
            ..plain
        };
        let refused = range(&whole, &endless(), 1_000, short).await;
        assert!(
            matches!(refused, Err(PromqlError::Timeout { .. })),
            "{refused:?}"
        );
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "{:?}",
            begin.elapsed()
        );
        assert_eq!(
            refused.err().map(|error| error.error_type()),
            Some(ErrorType::Timeout)
        );
    });
}

#[test]
fn the_deepest_query_that_is_taken_is_evaluated() {
    run(NOW_MS, async |mut world| {
        load(&mut world).await;
        let engine = Engine::new(world.store.clone(), EngineConfig::default());
        let deep = [
            format!("{}1", "1 + ".repeat(250)),
            format!("{}vector(1)", "vector(1) + on() ".repeat(250)),
            format!("{}load", "load or ".repeat(250)),
            format!("{}sum(load){}", "abs(".repeat(62), ")".repeat(62)),
            format!("{}load", "-".repeat(120)),
            format!(
                "{}sum(load){}",
                "sum by (n) (1 + ".repeat(31),
                ")".repeat(31)
            ),
        ];
        for query in deep {
            let answer = range(&engine, &query, 100_000, QueryOptions::default()).await;
            let head: String = query.chars().take(20).collect();
            assert!(answer.is_ok(), "{head}: {answer:?}");
        }
    });
}

#[test]
fn a_query_that_nobody_waits_for_ends() {
    let clock = Clock::host();
    let mut gone_at = clock.monotonic();
    run(NOW_MS, async |mut world| {
        load(&mut world).await;
        let engine = Engine::new(world.store.clone(), EngineConfig::default());
        let query = endless();
        let asked = range(&engine, &query, 1_000, QueryOptions::default());
        let gone = tokio::time::timeout(Duration::from_millis(50), asked).await;
        assert!(gone.is_err());
        gone_at = clock.monotonic();
    });
    // the runtime waits for its blocking threads when it is dropped
    assert!(gone_at.elapsed() < Duration::from_secs(5));
}

#[test]
fn arguments_that_make_no_sense_are_refused_before_anything_is_read() {
    run(NOW_MS, async |world: World| {
        let engine = Engine::new(world.store.clone(), EngineConfig::default());
        let tenant = Tenant::default_tenant();
        let clock = Clock::manual(NOW_MS);
        let now = clock.wall().unix_ms;
        for (start_unix_ms, end_unix_ms, step_ms) in [
            (now, now - 1, 1_000),
            (now, now, 0),
            (now, now, -5),
            (i64::MIN, i64::MAX, 1),
            (now - 1_000_000, now, 1),
            (0, i64::MAX, i64::MAX),
        ] {
            let range = QueryRange {
                start_unix_ms,
                end_unix_ms,
                step_ms,
            };
            let refused = engine
                .range(&tenant, "up", range, QueryOptions::default())
                .await;
            let error_type = refused.err().map(|error| error.error_type());
            assert_eq!(error_type, Some(ErrorType::BadData), "{range:?}");
        }
        for at in [i64::MIN, i64::MAX] {
            let refused = engine
                .instant(&tenant, "up", at, QueryOptions::default())
                .await;
            assert!(refused.is_err());
        }
        for query in [
            "up offset 1000y",
            "up @ -1e9",
            "up @ 1e11",
            "sum_over_time(up[1000y])",
            "rate(up[5m:1ms] offset -1000y)",
            "up offset -900y",
        ] {
            let answer = engine
                .instant(&tenant, query, now, QueryOptions::default())
                .await;
            assert!(answer.is_ok(), "{query}: {answer:?}");
        }
    });
}
