//! What is sent while a process lives: spans of a few traces in one request, until it is acknowledged.

use std::collections::BTreeMap;
use std::time::Duration;

use bus::testing::Faulty;
use bus::{Draft, Header, Kind, Local, Log, Partition, RequestHash, Topic, TopicPartition};
use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
use prost::Message;
use telemetry::{TraceId, partition_of};
use tokio::time::sleep;

use super::world::{N_PARTITIONS, World};

impl World {
    /// Sends spans of some traces in one request, again until it is acknowledged, and now and then once more.
    pub(super) async fn send(&mut self, log: &Faulty<Local>) {
        if self.traces.len() < 3 || self.seeded.chance(0.3) {
            let id = [self.seeded.next_u64(), self.seeded.next_u64() | 1];
            self.traces.push(TraceId(
                (u128::from(id[0]) << 64 | u128::from(id[1])).to_be_bytes(),
            ));
        }
        let mut spans: BTreeMap<u32, Vec<(TraceId, String)>> = BTreeMap::new();
        for _ in 0..1 + self.seeded.below(4) {
            let back = self.seeded.below(self.traces.len().min(6) as u64) as usize;
            let id = self.traces[self.traces.len() - 1 - back];
            let name = format!("span-{}", self.sent.len());
            self.sent.insert(name.clone());
            spans
                .entry(partition_of(&self.tenant, id, N_PARTITIONS))
                .or_default()
                .push((id, name));
        }
        let hash = RequestHash(u128::from(self.seeded.next_u64()));
        let drafts: Vec<Draft> = spans
            .iter()
            .map(|(partition, spans)| self.draft(*partition, hash, spans))
            .collect();
        while log.append(drafts.clone()).await.is_err() {
            sleep(Duration::from_millis(200)).await;
        }
        for (id, name) in spans.into_values().flatten() {
            self.acked.entry(id).or_default().insert(name);
        }
        if self.seeded.chance(0.1) {
            // an answer that was lost; whether this one is taken matters to nobody
            log.append(drafts).await.map(|_| ()).unwrap_or_default();
        }
    }

    fn draft(&self, partition: u32, hash: RequestHash, spans: &[(TraceId, String)]) -> Draft {
        let span = |(id, name): &(TraceId, String)| Span {
            trace_id: id.0.to_vec(),
            span_id: name.bytes().rev().chain([1; 8]).take(8).collect(),
            parent_span_id: vec![9; 8],
            name: name.clone(),
            ..Default::default()
        };
        let scope = ScopeSpans {
            spans: spans.iter().map(span).collect(),
            ..Default::default()
        };
        let data = TracesData {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![scope],
                ..Default::default()
            }],
        };
        let header = Header {
            tenant: self.tenant.clone(),
            kind: Kind::Otlp,
            accepted_at: self.clock.wall(),
            n_items: spans.len() as u32,
            request_hash: hash,
            part: partition as u16,
            historic: false,
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
