//! What is sent while a process lives: spans of a few traces in one request, until it is acknowledged.

use std::collections::BTreeMap;
use std::time::Duration;

use bus::testing::{Faulty, Seeded};
use bus::{Draft, Header, Kind, Local, Log, Partition, RequestHash, Topic, TopicPartition};
use bytes::Bytes;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
use prost::Message;
use telemetry::{TraceId, partition_of};
use tokio::time::sleep;

use super::world::{N_PARTITIONS, World};
use crate::traffic::{duration_ns, peer, resource, status, trace_state};

/// A trace whose spans are being sent.
pub(super) struct Sending {
    pub(super) id: TraceId,
    trace_state: &'static str,
    /// Ids of spans that were made.
    span_ids: Vec<Vec<u8>>,
}

impl Sending {
    fn new(seeded: &mut Seeded) -> Self {
        let id = [seeded.next_u64(), seeded.next_u64() | 1];
        Self {
            id: TraceId((u128::from(id[0]) << 64 | u128::from(id[1])).to_be_bytes()),
            trace_state: trace_state(seeded),
            span_ids: Vec::new(),
        }
    }

    /// A span that ended about now: of some other, or of one that is never sent, or of none.
    fn span(&mut self, seeded: &mut Seeded, name: String, now_ns: u64) -> Span {
        let span_id: Vec<u8> = name.bytes().rev().chain([1; 8]).take(8).collect();
        let parent_span_id = match seeded.below(10) {
            0 => Vec::new(),
            1 => vec![9; 8],
            n => {
                let place = seeded.below(self.span_ids.len().max(1) as u64) as usize;
                let parent = self.span_ids.get(place).cloned();
                parent.unwrap_or(vec![n as u8; 8])
            }
        };
        self.span_ids.push(span_id.clone());
        let kind = 1 + seeded.below(5) as i32;
        let end_ns = now_ns - seeded.below(20_000_000_000);
        Span {
            trace_id: self.id.0.to_vec(),
            span_id,
            parent_span_id,
            trace_state: self.trace_state.to_owned(),
            name,
            kind,
            attributes: peer(seeded, kind),
            start_time_unix_nano: end_ns - duration_ns(seeded),
            end_time_unix_nano: end_ns,
            status: status(seeded),
            ..Default::default()
        }
    }
}

impl World {
    /// Sends spans of some traces in one request, again until it is acknowledged, and now and then once more.
    pub(super) async fn send(&mut self, log: &Faulty<Local>) {
        if self.traces.len() < 3 || self.seeded.chance(0.3) {
            let trace = Sending::new(&mut self.seeded);
            self.traces.push(trace);
        }
        let mut spans: BTreeMap<u32, Vec<(Resource, Span)>> = BTreeMap::new();
        let mut sent: Vec<(TraceId, String)> = Vec::new();
        for _ in 0..1 + self.seeded.below(4) {
            let back = self.seeded.below(self.traces.len().min(6) as u64) as usize;
            let place = self.traces.len() - 1 - back;
            // whoever looks for a span looks for its name, and all that differ in the number alone are one series
            let name = format!("op-{}/{}", self.seeded.below(4), self.sent.len());
            self.sent.insert(name.clone());
            let now_ns = self.clock.wall().unix_ms as u64 * 1_000_000;
            let trace = &mut self.traces[place];
            let span = trace.span(&mut self.seeded, name.clone(), now_ns);
            sent.push((trace.id, name));
            spans
                .entry(partition_of(&self.tenant, trace.id, N_PARTITIONS))
                .or_default()
                .push((resource(&mut self.seeded), span));
        }
        let hash = RequestHash(u128::from(self.seeded.next_u64()));
        let drafts: Vec<Draft> = spans
            .iter()
            .map(|(partition, spans)| self.draft(*partition, hash, spans))
            .collect();
        while log.append(drafts.clone()).await.is_err() {
            sleep(Duration::from_millis(200)).await;
        }
        for (id, name) in sent {
            self.acked.entry(id).or_default().insert(name);
        }
        if self.seeded.chance(0.1) {
            // an answer that was lost; whether this one is taken matters to nobody
            log.append(drafts).await.map(|_| ()).unwrap_or_default();
        }
    }

    fn draft(&self, partition: u32, hash: RequestHash, spans: &[(Resource, Span)]) -> Draft {
        let one = |(resource, span): &(Resource, Span)| ResourceSpans {
            resource: Some(resource.clone()),
            scope_spans: vec![ScopeSpans {
                spans: vec![span.clone()],
                ..Default::default()
            }],
            ..Default::default()
        };
        let data = TracesData {
            resource_spans: spans.iter().map(one).collect(),
        };
        let header = Header {
            tenant: self.tenant.clone(),
            kind: Kind::Otlp,
            accepted_at: self.clock.wall(),
            n_items: spans.len() as u32,
            request_hash: hash,
            part: partition as u16,
            historic: hash.0.is_multiple_of(20),
        };
        let to = TopicPartition {
            topic: Topic::Spans,
            partition: Partition(partition),
        };
        Draft {
            to,
            header,
            payload: Bytes::from(data.encode_to_vec()),
        }
    }
}
