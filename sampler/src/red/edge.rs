//! Series of edges: what decided traces add to who calls whom, and the ends of calls of which nobody knows the other.

use service_map::edge::{
    CLIENT_SECONDS, CONNECTION_INFO, Connection, Counted, DROPPED, Edge, FAILED, QUEUE_SECONDS,
    REQUESTS, Request, SERVER_SECONDS, Side, UNPAIRED, Unpaired,
};
use telemetry::Tenant;
use telemetry::derived::{DeltaValue, SeriesDelta, WindowDelta};
use telemetry::histogram::ExpHistogram;

use super::delta::delta;
use super::quota::Quota;
use super::table::Table;
use super::window::Windows;
use super::{EDGES_MAX, EDGES_OF_TENANT_MAX, OVERFLOW, observe, seconds};

#[derive(Debug)]
struct EdgeSeries {
    tenant: Tenant,
    client: Box<str>,
    server: Box<str>,
    connection: Connection,
    virtual_node: Option<Side>,
    windows: Windows<EdgeCounts>,
}

/// Requests of one window. Histograms have those that were seen from their side.
#[derive(Debug, Default)]
struct EdgeCounts {
    n: f64,
    n_failed: f64,
    client: ExpHistogram,
    server: ExpHistogram,
    queue: ExpHistogram,
}

/// Ends of calls that are in no edge, for one reason.
#[derive(Debug)]
struct AloneSeries {
    tenant: Tenant,
    /// The metric that tells the reason.
    name: &'static str,
    side: Side,
    service: Box<str>,
    windows: Windows<f64>,
}

#[derive(Debug, Default)]
pub(super) struct EdgeTable {
    edges: Table<EdgeSeries>,
    edges_of: Quota,
    alone: Table<AloneSeries>,
    alone_of: Quota,
}

/// Where what is too much counts.
const BEYOND: Edge<'_> = Edge {
    client: OVERFLOW,
    server: OVERFLOW,
    connection: Connection::Call,
    virtual_node: None,
};

impl EdgeTable {
    /// Counts an end of a call of a tenant. Returns whether it counts under [`OVERFLOW`].
    pub(super) fn count(
        &mut self,
        tenant: &Tenant,
        counted: Counted<'_>,
        n_windows: &mut u64,
    ) -> bool {
        match counted {
            Counted::Request(request) => self.request(tenant, &request, n_windows),
            Counted::Unpaired(end) => self.alone(tenant, UNPAIRED, &end, n_windows),
        }
    }

    fn request(&mut self, tenant: &Tenant, request: &Request<'_>, n_windows: &mut u64) -> bool {
        let (series, overflowed) = self.find_or_add(tenant, request.edge);
        let weight = request.weight;
        let windows = &mut self.edges.get_mut(series).windows;
        let counts = windows.at(request.window_ms, n_windows);
        counts.n += weight;
        if request.failed {
            counts.n_failed += weight;
        }
        for (histogram, ns) in [
            (&mut counts.client, request.client_ns),
            (&mut counts.server, request.server_ns),
            (&mut counts.queue, request.queue_ns),
        ] {
            if let Some(ns) = ns {
                observe(histogram, seconds(ns), weight);
            }
        }
        overflowed
    }

    fn find_or_add(&mut self, tenant: &Tenant, edge: Edge<'_>) -> (u32, bool) {
        if let Some(found) = self.find(tenant, edge) {
            return (found, false);
        }
        if self.edges.len() < EDGES_MAX && self.edges_of.take(tenant, EDGES_OF_TENANT_MAX) {
            return (self.add(tenant, edge), false);
        }
        let beyond = self.find(tenant, BEYOND);
        (beyond.unwrap_or_else(|| self.add(tenant, BEYOND)), true)
    }

    /// Two nodes have few edges: what tells these apart is compared, not hashed.
    fn hash(&self, tenant: &Tenant, edge: Edge<'_>) -> u64 {
        self.edges.hash((tenant, edge.client, edge.server))
    }

    fn find(&self, tenant: &Tenant, edge: Edge<'_>) -> Option<u32> {
        let hash = self.hash(tenant, edge);
        let is = |series: &EdgeSeries| series.tenant == *tenant && series.edge() == edge;
        self.edges.find(hash, is)
    }

    fn add(&mut self, tenant: &Tenant, edge: Edge<'_>) -> u32 {
        let hash = self.hash(tenant, edge);
        let series = EdgeSeries {
            tenant: tenant.clone(),
            client: edge.client.into(),
            server: edge.server.into(),
            connection: edge.connection,
            virtual_node: edge.virtual_node,
            windows: Windows::default(),
        };
        self.edges.add(hash, series)
    }

    /// Counts an end that came too late for an edge. Returns whether it counts under [`OVERFLOW`].
    pub(super) fn late(
        &mut self,
        tenant: &Tenant,
        end: &Unpaired<'_>,
        n_windows: &mut u64,
    ) -> bool {
        self.alone(tenant, DROPPED, end, n_windows)
    }

    fn alone(
        &mut self,
        tenant: &Tenant,
        name: &'static str,
        end: &Unpaired<'_>,
        n_windows: &mut u64,
    ) -> bool {
        let has_room = self.alone.len() < EDGES_MAX;
        let find = |service: &str| {
            let hash = self.alone.hash((tenant, name, end.side, service));
            let found = self.alone.find(hash, |series| {
                series.tenant == *tenant
                    && series.name == name
                    && series.side == end.side
                    && *series.service == *service
            });
            (hash, found)
        };
        let (mut hash, mut found) = find(end.service);
        let mut service = end.service;
        let overflowed =
            found.is_none() && !(has_room && self.alone_of.take(tenant, EDGES_OF_TENANT_MAX));
        if overflowed {
            service = OVERFLOW;
            (hash, found) = find(service);
        }
        let series = found.unwrap_or_else(|| {
            let series = AloneSeries {
                tenant: tenant.clone(),
                name,
                side: end.side,
                service: service.into(),
                windows: Windows::default(),
            };
            self.alone.add(hash, series)
        });
        let windows = &mut self.alone.get_mut(series).windows;
        *windows.at(end.window_ms, n_windows) += end.weight;
        overflowed
    }

    /// What the epoch has added to those that are wanted, by tenant, in the order in which they came.
    pub(super) fn deltas<'a>(
        &'a self,
        wanted: &dyn Fn(&Tenant, &str) -> bool,
        into: &mut Vec<(&'a Tenant, SeriesDelta)>,
    ) {
        for series in self.edges.iter() {
            for (name, value) in PARTS {
                if wanted(&series.tenant, name) {
                    into.extend(series.delta(name, value));
                }
            }
        }
        for series in self.alone.iter() {
            if wanted(&series.tenant, series.name) {
                let windows = series.windows.deltas(|n| DeltaValue::Count(*n));
                let service = String::from(&*series.service);
                let labels = vec![(series.side.label().to_owned(), service)];
                into.push((&series.tenant, delta(series.name, labels, windows)));
            }
        }
    }
}

/// What one series of an edge has of its counts, if there is anything.
type Part = fn(&EdgeCounts) -> Option<DeltaValue>;

const PARTS: [(&str, Part); 6] = [
    (CONNECTION_INFO, |_| Some(DeltaValue::Seen)),
    (REQUESTS, |counts| number(counts.n)),
    (FAILED, |counts| number(counts.n_failed)),
    (CLIENT_SECONDS, |counts| distribution(&counts.client)),
    (SERVER_SECONDS, |counts| distribution(&counts.server)),
    (QUEUE_SECONDS, |counts| distribution(&counts.queue)),
];

fn number(n: f64) -> Option<DeltaValue> {
    (n > 0.0).then_some(DeltaValue::Count(n))
}

fn distribution(histogram: &ExpHistogram) -> Option<DeltaValue> {
    (histogram.count() > 0.0).then(|| DeltaValue::Histogram(histogram.clone()))
}

impl EdgeSeries {
    fn edge(&self) -> Edge<'_> {
        Edge {
            client: &self.client,
            server: &self.server,
            connection: self.connection,
            virtual_node: self.virtual_node,
        }
    }

    fn delta(&self, name: &str, value: Part) -> Option<(&Tenant, SeriesDelta)> {
        let windows: Vec<WindowDelta> = self.windows.some_deltas(value);
        if windows.is_empty() {
            return None;
        }
        let labels = self.edge().labels();
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Some((&self.tenant, delta(name, labels.collect(), windows)))
    }
}
