//! A query from text to answer: parsed, bounded, read, evaluated.

mod newest;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use telemetry::Tenant;

use super::ast::{Expr, ExprKind, Type};
use super::error::PromqlError;
use super::eval::{Evaluated, Evaluator, has_fixed_times, without_name, wrong_type};
use super::fetch::fetch;
use super::length::Frame;
use super::limits::{EngineConfig, QueryOptions};
use super::note::Notes;
use super::steps::{Grid, Line};
use super::work::{Bounds, Work};
use super::{Answer, Engine, QueryRange, Sample, Series, Value, merge, parse, time};
use crate::MetricsStore;
use crate::block::read::leave_the_loop;
use crate::store::TRIES_MAX;

/// Tells the evaluation, when it is dropped, that nobody waits any more.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What is evaluated, in one piece so that it can leave the async threads.
struct Job {
    store: MetricsStore,
    tenant: Tenant,
    query: String,
    expr: Expr,
    grid: Grid,
    frame: Frame,
    config: EngineConfig,
    /// The steps make one answer each series, rather than one value.
    is_range: bool,
}

impl Engine {
    /// The value of a query at one instant. Cancel-safe: an evaluation that nobody waits for ends at its next look at the clock.
    ///
    /// # Errors
    /// See [`PromqlError`].
    pub async fn instant(
        &self,
        tenant: &Tenant,
        query: &str,
        at_unix_ms: i64,
        options: QueryOptions,
    ) -> Result<Answer, PromqlError> {
        check_time(at_unix_ms)?;
        let frame = Frame {
            start: at_unix_ms,
            end: at_unix_ms,
            step: 0,
        };
        let grid = Grid::one(at_unix_ms);
        self.ask(tenant, query, (grid, frame, false), options).await
    }

    /// The values of a query at `start`, `start + step`, … up to `end`. Cancel-safe, likewise.
    ///
    /// # Errors
    /// See [`PromqlError`].
    pub async fn range(
        &self,
        tenant: &Tenant,
        query: &str,
        range: QueryRange,
        options: QueryOptions,
    ) -> Result<Answer, PromqlError> {
        let QueryRange {
            start_unix_ms: start,
            end_unix_ms: end,
            step_ms: step,
        } = range;
        check_time(start)?;
        check_time(end)?;
        if step <= 0 {
            return Err(PromqlError::BadData(
                "zero or negative query resolution step widths are not accepted. Try a positive integer".to_owned(),
            ));
        }
        if end < start {
            return Err(PromqlError::BadData(
                "end timestamp must not be before start time".to_owned(),
            ));
        }
        let range_max = time::ms_of(self.config().range_max);
        if end - start > range_max {
            return Err(PromqlError::BadData(format!(
                "the range is {} long, at most {} are allowed",
                time::duration_text(end - start),
                time::duration_text(range_max)
            )));
        }
        let grid = Grid::new(start, end, step);
        let points_max = self.config().points_max;
        if grid.n > points_max as usize {
            return Err(PromqlError::BadData(format!(
                "exceeded maximum resolution of {points_max} points per timeseries. Try decreasing the query resolution (?step=XX)"
            )));
        }
        let frame = Frame { start, end, step };
        self.ask(tenant, query, (grid, frame, true), options).await
    }

    async fn ask(
        &self,
        tenant: &Tenant,
        query: &str,
        (grid, frame, is_range): (Grid, Frame, bool),
        options: QueryOptions,
    ) -> Result<Answer, PromqlError> {
        let config = options.of(self.config());
        let expr = parse::parse(query, config.features)?;
        if is_range && !matches!(expr.ty, Type::Scalar | Type::Vector) {
            return Err(PromqlError::BadData(format!(
                "invalid expression type {:?} for range query, must be Scalar or instant Vector",
                expr.ty.name()
            )));
        }
        let job = Job {
            store: self.inner.store.clone(),
            tenant: tenant.clone(),
            query: query.to_owned(),
            expr,
            grid,
            frame,
            config: config.clone(),
            is_range,
        };
        self.bounded(&config, move |work| job.evaluated(work)).await
    }

    /// Does what blocks its thread, within the bounds of a query; once more if a block that it was to read was merged meanwhile.
    async fn bounded<T: Send + 'static>(
        &self,
        config: &EngineConfig,
        once: impl Fn(&Work) -> Result<T, PromqlError> + Send + 'static,
    ) -> Result<T, PromqlError> {
        let canceled = Arc::new(AtomicBool::new(false));
        let timeout = config.timeout;
        let bounds = Bounds {
            samples_max: config.samples_max,
            bytes_max: config.memory_bytes_max,
            begin: self.inner.store.inner.clock.monotonic(),
            timeout,
            canceled: Arc::clone(&canceled),
        };
        let _waiting = Waiting(canceled);
        let tried = move || {
            let mut done = once(&Work::new(bounds.clone()));
            for _ in 1..TRIES_MAX {
                if !done.as_ref().is_err_and(PromqlError::is_gone) {
                    break;
                }
                done = once(&Work::new(bounds.clone()));
            }
            done
        };
        // it looks at the clock itself, unless a read hangs
        let done = tokio::time::timeout(timeout, leave_the_loop(tried)).await;
        let done = done.map_err(|_| PromqlError::Timeout { after: timeout })?;
        done.map_err(|error| PromqlError::Unavailable(Box::new(error)))?
    }
}

fn check_time(unix_ms: i64) -> Result<(), PromqlError> {
    if !(-time::UNIX_MS_MAX..=time::UNIX_MS_MAX).contains(&unix_ms) {
        return Err(PromqlError::BadData(format!(
            "the time {unix_ms} ms lies more than ten thousand years from 1970"
        )));
    }
    Ok(())
}

impl QueryOptions {
    /// The engine's bounds, lowered to what the query asks for.
    fn of(self, config: &EngineConfig) -> EngineConfig {
        let mut config = config.clone();
        if let Some(lookback) = self.lookback.filter(|lookback| !lookback.is_zero()) {
            config.lookback = lookback;
        }
        if let Some(timeout) = self.timeout {
            config.timeout = config.timeout.min(timeout);
        }
        if let Some(samples_max) = self.samples_max {
            config.samples_max = config.samples_max.min(samples_max);
        }
        config
    }
}

impl Job {
    fn evaluated(&self, work: &Work) -> Result<Answer, PromqlError> {
        work.operations(0)?;
        let notes = Notes::default();
        let of = (&self.store, &self.tenant);
        let costs = (&self.config, work);
        let evaluator = Evaluator {
            data: fetch(of, &self.expr, (self.grid, self.frame), costs)?,
            frame: self.frame,
            lookback_ms: time::ms_of(self.config.lookback),
            work,
            notes: &notes,
            delayed_name_removal: self.config.features.delayed_name_removal,
            has_fixed_times: has_fixed_times(&self.expr),
        };
        let value = self.value(&evaluator)?;
        let (warnings, infos) = notes.sentences(&self.query);
        Ok(Answer {
            value,
            warnings,
            infos,
            n_samples: work.n_samples(),
        })
    }

    fn value(&self, evaluator: &Evaluator<'_>) -> Result<Value, PromqlError> {
        if self.expr.ty == Type::Matrix {
            return self.matrix(evaluator);
        }
        let at_unix_ms = self.grid.start;
        Ok(match evaluator.eval(&self.expr, self.grid)? {
            Evaluated::Text(value) => Value::String { at_unix_ms, value },
            Evaluated::Scalar(values) if self.is_range => {
                let line = evaluator.line_of(&values)?;
                Value::Matrix(vec![Series {
                    labels: line.labels,
                    points: line.column.samples(self.grid),
                }])
            }
            Evaluated::Scalar(values) => Value::Scalar {
                at_unix_ms,
                value: values.first().copied().unwrap_or(f64::NAN),
            },
            Evaluated::Vector(lines) => {
                let lines = self.named(lines, evaluator)?;
                if self.is_range {
                    Value::Matrix(self.series(lines, evaluator)?)
                } else {
                    Value::Vector(self.samples(&lines))
                }
            }
        })
    }

    /// Names that were to go, go now.
    fn named(
        &self,
        mut lines: Vec<Line>,
        evaluator: &Evaluator<'_>,
    ) -> Result<Vec<Line>, PromqlError> {
        if !self.config.features.delayed_name_removal {
            return Ok(lines);
        }
        for line in lines.iter_mut().filter(|line| line.drop_name) {
            line.labels = without_name(&line.labels);
        }
        merge::merged(lines, evaluator.work)
    }

    fn samples(&self, lines: &[Line]) -> Vec<Sample> {
        let samples = lines.iter().filter_map(|line| {
            Some(Sample {
                labels: line.labels.clone(),
                at_unix_ms: self.grid.start,
                value: line.column.get(0)?.to_value(),
            })
        });
        samples.collect()
    }

    fn series(
        &self,
        lines: Vec<Line>,
        evaluator: &Evaluator<'_>,
    ) -> Result<Vec<Series>, PromqlError> {
        let mut series = Vec::with_capacity(lines.len());
        let mut held = evaluator.work.held(0);
        for line in lines {
            evaluator.work.operations(self.grid.n as u64)?;
            let points = line.column.samples(self.grid);
            held.grow(points.floats.len() * size_of::<(i64, f64)>());
            if !points.floats.is_empty() || !points.histograms.is_empty() {
                series.push(Series {
                    labels: line.labels,
                    points,
                });
            }
        }
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(series)
    }

    /// A range vector as it is: of an instant query only.
    fn matrix(&self, evaluator: &Evaluator<'_>) -> Result<Value, PromqlError> {
        let is_ranged = matches!(
            self.expr.inner().kind,
            ExprKind::Range { .. } | ExprKind::Subquery(_)
        );
        if !is_ranged {
            return Err(wrong_type("a range vector"));
        }
        let ranges = evaluator.ranges(&self.expr, self.grid)?;
        let (from, to) = ranges.of_steps.first().copied().unwrap_or_default();
        let mut series = Vec::new();
        let mut held = evaluator.work.held(0);
        evaluator.each_ranged(&self.expr, &ranges, &mut |one| {
            let points = one.points.within(from, to);
            let n_points = points.floats.len() + points.histograms.len();
            evaluator.work.samples(n_points)?;
            held.grow(n_points * size_of::<(i64, f64)>());
            if n_points > 0 {
                series.push(Series {
                    labels: if one.drop_name {
                        without_name(&one.labels)
                    } else {
                        one.labels
                    },
                    points,
                });
            }
            Ok(())
        })?;
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(Value::Matrix(series))
    }
}
