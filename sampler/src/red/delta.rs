//! What was counted, as it is handed out: by tenant, each series once, in one order.

use telemetry::Tenant;
use telemetry::derived::{SeriesDelta, TenantDelta, WindowDelta};
use telemetry::wire::{SpanKind, StatusCode};

use super::window;

pub(super) fn kind_and_status(kind: SpanKind, status: StatusCode) -> [(String, String); 2] {
    [
        ("span_kind".to_owned(), kind.protobuf_name().to_owned()),
        ("status_code".to_owned(), status.protobuf_name().to_owned()),
    ]
}

pub(super) fn delta(
    name: &str,
    labels: Vec<(String, String)>,
    windows: Vec<WindowDelta>,
) -> SeriesDelta {
    SeriesDelta {
        name: name.to_owned(),
        labels,
        windows,
        exemplars: Vec::new(),
    }
}

/// Series of one identity (two resources may give one) are added up; tenants, series and windows stand in order.
pub(super) fn by_tenant(mut series: Vec<(&Tenant, SeriesDelta)>) -> Vec<TenantDelta> {
    fn key<'a>(one: &'a (&Tenant, SeriesDelta)) -> (&'a Tenant, &'a str, &'a [(String, String)]) {
        (one.0, &one.1.name, &one.1.labels)
    }
    series.sort_by(|a, b| key(a).cmp(&key(b))); // stable: what is equal stays in the order of the log
    let mut tenants: Vec<TenantDelta> = Vec::new();
    for (tenant, delta) in series {
        if tenants.last().is_none_or(|last| last.tenant != *tenant) {
            tenants.push(TenantDelta {
                tenant: tenant.clone(),
                series: Vec::new(),
            });
        }
        let all = &mut tenants.last_mut().expect("just pushed").series;
        match all.last_mut() {
            Some(last) if last.name == delta.name && last.labels == delta.labels => {
                window::add_up(&mut last.windows, delta.windows);
            }
            _ => all.push(delta),
        }
    }
    tenants
}
