//! Requests as they are sent. In: sheets. Out: bodies of OTLP export requests, compressed once, so that what waits in memory takes little of it.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
use prost::Message;

use crate::sheet::Sheet;

/// Bytes of one request before compression. Receivers take 4 MiB at least.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// A quarter smaller than the quickest, for 3 ms of each 10 s on a full host.
const LEVEL: Compression = Compression::new(6);

/// One request: its body, gzip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) body: Bytes,
    pub(crate) n_points: u64,
    pub(crate) made_unix_ms: i64,
}

/// As few requests as the bound allows. A sheet is never split.
pub(crate) fn batches(sheets: Vec<Sheet>, made_unix_ms: i64) -> Vec<Batch> {
    let mut made = Vec::new();
    let mut open = Open::default();
    for sheet in sheets.into_iter().filter(|sheet| sheet.n_points() > 0) {
        let n_points = sheet.n_points() as u64;
        let metrics = sheet.finish();
        let n_bytes = metrics.encoded_len();
        if open.n_points > 0 && open.n_bytes + n_bytes > REQUEST_BYTES_MAX {
            made.push(std::mem::take(&mut open).close(made_unix_ms));
        }
        open.n_bytes += n_bytes;
        open.n_points += n_points;
        open.metrics.push(metrics);
    }
    if open.n_points > 0 {
        made.push(open.close(made_unix_ms));
    }
    made
}

/// A request that is being filled.
#[derive(Debug, Default)]
struct Open {
    metrics: Vec<ResourceMetrics>,
    n_bytes: usize,
    n_points: u64,
}

impl Open {
    fn close(self, made_unix_ms: i64) -> Batch {
        let request = ExportMetricsServiceRequest {
            resource_metrics: self.metrics,
        };
        Batch {
            body: gzip(&request.encode_to_vec()),
            n_points: self.n_points,
            made_unix_ms,
        }
    }
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), LEVEL);
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.expect("writing to memory cannot fail").into()
}

#[cfg(test)]
pub(crate) fn decode(batch: &Batch) -> Vec<ResourceMetrics> {
    use std::io::Read;
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(&batch.body[..])
        .read_to_end(&mut body)
        .expect("gzip");
    ExportMetricsServiceRequest::decode(&body[..])
        .expect("OTLP")
        .resource_metrics
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::SYSTEM_DISK_IO;
    use crate::sheet::{attribute, lines_of};

    #[test]
    fn a_request_is_the_sheets_it_was_made_of() {
        let mut sheet = Sheet::new(vec![attribute("host.name", "a")], 1, 2);
        sheet.put(&SYSTEM_DISK_IO, 7_u64, &[]);
        let made = batches(vec![Sheet::for_test(), sheet], 5);
        assert_eq!(made.len(), 1);
        assert_eq!((made[0].n_points, made[0].made_unix_ms), (1, 5));
        let told = decode(&made[0]);
        assert_eq!(told.len(), 1, "an empty sheet is not sent");
        assert_eq!(lines_of(&told[0]), ["system.disk.io{} 7"]);
        assert!(batches(Vec::new(), 5).is_empty());
    }

    #[test]
    fn requests_are_bounded_and_lose_nothing() {
        let sheets: Vec<Sheet> = (0..40)
            .map(|n| {
                let mut sheet = Sheet::new(vec![attribute("n", n)], 1, 2);
                let long = "x".repeat(100_000);
                sheet.put(
                    &SYSTEM_DISK_IO,
                    n,
                    &[("system.device", long.as_str().into())],
                );
                sheet
            })
            .collect();
        let made = batches(sheets, 0);
        assert_eq!(made.iter().map(|b| b.n_points).sum::<u64>(), 40);
        assert_eq!(made.len(), 4);
        for batch in &made {
            let bytes: usize = decode(batch).iter().map(Message::encoded_len).sum();
            assert!(bytes <= REQUEST_BYTES_MAX);
        }
    }
}
