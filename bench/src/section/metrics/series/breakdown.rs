//! What the bytes of a merged block are: values by how they go on, beside what no lossless encoding can go below, and all that is not values.

use std::collections::BTreeMap;

use metrics::block::section_bytes;
use metrics::chunk::{Effort, POINTS_MAX, floats};
use metrics::head::TenantHead;
use metrics::series::SeriesId;

use crate::corpus::hosts::Course;
use crate::table::Table;

/// Of one way in which values go on.
#[derive(Default)]
struct Part {
    n_samples: f64,
    n_bytes: f64,
    floor_bytes: f64,
}

/// `courses` are those of the series, in the order in which every head has them.
pub(super) fn print(body: &[u8], heads: &[TenantHead], courses: &[Course]) -> anyhow::Result<()> {
    let mut parts: BTreeMap<&str, Part> = BTreeMap::new();
    for (id, course) in (0..).zip(courses) {
        let values = values(heads, SeriesId(id));
        let mut chunks = Vec::new();
        for values in values.chunks(POINTS_MAX) {
            floats::encode(values, Effort::Thorough, &mut chunks);
        }
        let part = parts.entry(course.name()).or_default();
        part.n_samples += values.len() as f64;
        part.n_bytes += chunks.len() as f64;
        part.floor_bytes += values.len() as f64 * course.entropy_bits() / 8.0;
    }
    let n_samples: f64 = parts.values().map(|part| part.n_samples).sum();
    let mut table = Table::new(
        "series: what the bytes of the merged block are",
        &[
            "",
            "share of samples",
            "B/sample of these",
            "floor",
            "B of all",
        ],
    );
    for (name, part) in &parts {
        table.row([
            format!("values of {name}"),
            format!("{:.0} %", 100.0 * part.n_samples / n_samples),
            format!("{:.2}", part.n_bytes / part.n_samples),
            format!("{:.2}", part.floor_bytes / part.n_samples),
            format!("{:.3}", part.n_bytes / n_samples),
        ]);
    }
    for (name, n_bytes) in section_bytes(body)? {
        let of_all = format!("{:.3}", n_bytes as f64 / n_samples);
        table.row([name, "", "", "", &of_all]);
    }
    let floor: f64 = parts.values().map(|part| part.floor_bytes).sum();
    table.row([
        "all",
        "",
        "",
        "",
        &format!("{:.3}", body.len() as f64 / n_samples),
    ]);
    table.row([
        "floor of all values",
        "",
        "",
        "",
        &format!("{:.3}", floor / n_samples),
    ]);
    table.note("floor: the entropy of the corpus' own generator, each step as likely as any other; labels, times and where chunks lie come on top");
    table.print()?;
    Ok(())
}

fn values(heads: &[TenantHead], id: SeriesId) -> Vec<f64> {
    let rows = heads.iter().map(|head| head.row(id, i64::MIN, i64::MAX));
    rows.flat_map(|row| row.floats)
        .map(|(_, value)| value)
        .collect()
}
