//! The newest samples at an instant, with their own times: what another Prometheus takes over from here.

use std::collections::BTreeMap;

use telemetry::Tenant;

use super::super::error::PromqlError;
use super::super::eval::newest_of;
use super::super::fetch::{FetchedPoints, Reader, fetch_newest};
use super::super::work::Work;
use super::super::{Engine, QueryOptions, Sample, time};
use super::check_time;
use crate::{Labels, Matcher, MetricsStore, Value};

/// What is asked, in one piece so that it can leave the async threads.
struct Job {
    store: MetricsStore,
    tenant: Tenant,
    selections: Vec<Vec<Matcher>>,
    at: i64,
    lookback_ms: i64,
}

impl Engine {
    /// The newest sample of every series that one of the selections means, in order of labels; none of a series that has ended, or was silent for the
    /// whole look-back. Cancel-safe, as a query is.
    ///
    /// # Errors
    /// See [`PromqlError`].
    pub async fn newest(
        &self,
        tenant: &Tenant,
        selections: Vec<Vec<Matcher>>,
        at_unix_ms: i64,
    ) -> Result<Vec<Sample>, PromqlError> {
        check_time(at_unix_ms)?;
        let config = QueryOptions::default().of(self.config());
        let job = Job {
            store: self.inner.store.clone(),
            tenant: tenant.clone(),
            selections,
            at: at_unix_ms,
            lookback_ms: time::ms_of(config.lookback),
        };
        self.bounded(&config, move |work| job.found(work)).await
    }
}

impl Job {
    fn found(&self, work: &Work) -> Result<Vec<Sample>, PromqlError> {
        let of = (&self.store, &self.tenant);
        let when = (self.at, self.lookback_ms);
        let data = fetch_newest(of, &self.selections, when, work)?;
        let mut newest: BTreeMap<Labels, (i64, Value)> = BTreeMap::new();
        for number in 0..self.selections.len() {
            data.each(Reader::Selector(number), &mut |series| {
                let FetchedPoints::Samples(samples) = &series.points else {
                    return Ok(()); // windows come as running sums
                };
                if let Some(found) = newest_of(samples) {
                    newest.insert(series.labels, found);
                    work.keep(2 * size_of::<(Labels, (i64, Value))>())?;
                }
                Ok(())
            })?;
        }
        let sample = |(labels, (at_unix_ms, value))| Sample {
            labels,
            at_unix_ms,
            value,
        };
        Ok(newest.into_iter().map(sample).collect())
    }
}
