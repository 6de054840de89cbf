//! A block whose bytes were changed gives its traces as they were, or it is told that it is damaged: never another trace, never a silent gap.
//!
//! The input is a list of changes, 3 bytes each: where (2 bytes, in parts of the block's length), what is xored there. Bytes that begin with 0xffff stand in
//! the place of the block.

use std::cell::OnceCell;
use std::path::PathBuf;

use blocks::Blocks;
use blocks::local::Local;
use bytes::Bytes;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
use prost::Message;
use telemetry::{Clock, ShardTime, Tenant, TraceId};
use tokio::runtime::Runtime;
use trace_store::{Config, EpochName, Filter, KeptTrace, Sampling, SearchQuery, TraceStore};

const TRACES: u8 = 6;

/// A store with one block.
struct Sound {
    runtime: Runtime,
    _dir: tempfile::TempDir,
    blocks: Blocks,
    file: PathBuf,
    content: Vec<u8>,
    traces: Vec<(TraceId, Bytes)>,
}

pub(crate) fn run(bytes: &[u8]) {
    thread_local! {
        static SOUND: OnceCell<Sound> = const { OnceCell::new() };
    }
    SOUND.with(|sound| sound.get_or_init(Sound::new).check(bytes));
}

fn changed(content: &[u8], bytes: &[u8]) -> Vec<u8> {
    if let Some(replaced) = bytes.strip_prefix(&[0xff, 0xff]) {
        return replaced.to_vec();
    }
    let mut content = content.to_vec();
    for change in bytes.chunks_exact(3) {
        let [low, high, xor] = *change else {
            continue;
        };
        let at = usize::from(u16::from_le_bytes([low, high])) * content.len() / 65_536;
        if let Some(byte) = content.get_mut(at) {
            *byte ^= xor;
        }
    }
    content
}

impl Sound {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let dir = tempfile::tempdir().expect("a folder");
        let (blocks, traces) = runtime.block_on(async {
            let local = Local::open(
                dir.path().to_owned(),
                blocks::Config::default(),
                Clock::host(),
                blocks::Metrics::default(),
            );
            let blocks = Blocks::Local(local.await.expect("opens"));
            let traces: Vec<_> = (1..=TRACES).map(trace).collect();
            let kept = traces.iter().map(|(id, traces_data)| KeptTrace {
                id: *id,
                traces_data: traces_data.clone(),
                sampling: Sampling {
                    rule: "all".into(),
                    threshold: 0,
                    threshold_in: 0,
                    p_unknown: false,
                    p_estimated: false,
                },
                late: false,
            });
            let name = EpochName {
                partition: 0,
                end_offset: 7,
                part: 0,
                sealed_at: ShardTime::from_s(10),
            };
            let store = open(&blocks).await;
            let put = store
                .write_epoch(&Tenant::default_tenant(), name, kept.collect())
                .await;
            put.expect("writes");
            (blocks, traces)
        });
        let file = largest_file(dir.path());
        let content = std::fs::read(&file).expect("readable");
        Self {
            runtime,
            _dir: dir,
            blocks,
            file,
            content,
            traces,
        }
    }

    fn check(&self, bytes: &[u8]) {
        std::fs::write(&self.file, changed(&self.content, bytes)).expect("writable");
        self.runtime.block_on(async {
            let store = open(&self.blocks).await;
            let tenant = Tenant::default_tenant();
            for (id, sent) in &self.traces {
                let found = store.find(&tenant, *id).await;
                assert!(
                    !bytes.is_empty() || matches!(found, Ok(Some(_))),
                    "nothing was changed"
                );
                match found {
                    Ok(Some(found)) => {
                        assert!(found.traces_data == *sent, "another trace under {id}");
                    }
                    Ok(None) => assert!(
                        store.metrics().damaged_blocks.get() > 0,
                        "{id} is gone and nobody is told"
                    ),
                    Err(_) => {}
                }
            }
            let query = SearchQuery {
                filter: Filter::default(),
                limit: 100,
                cursor: None,
            };
            if let Ok(page) = store.search(&tenant, &query).await {
                assert!(
                    page.traces.len() == self.traces.len() || page.partial.is_some(),
                    "traces are gone and the page says it is whole"
                );
                for found in page.traces {
                    let sent = self.traces.iter().find(|(id, _)| *id == found.id);
                    assert!(
                        sent.is_some_and(|(_, sent)| *sent == found.traces_data),
                        "a trace that nobody sent"
                    );
                }
            }
        });
    }
}

async fn open(blocks: &Blocks) -> TraceStore {
    let opened = TraceStore::open(blocks.clone(), Config::default(), Clock::host()).await;
    opened.expect("a store opens whatever its blocks hold")
}

fn largest_file(folder: &std::path::Path) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|extension| extension != "redb") {
                files.push(path);
            }
        }
    }
    let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
    files
        .into_iter()
        .max_by_key(size)
        .expect("a block has a file")
}

fn trace(n: u8) -> (TraceId, Bytes) {
    let id = [n; 16];
    let span = |k: u8| Span {
        trace_id: id.to_vec(),
        span_id: vec![n, k, 1, 1, 1, 1, 1, 1],
        name: format!("operation {}", k % 3),
        start_time_unix_nano: 1_700_000_000_000_000_000 + u64::from(n),
        end_time_unix_nano: 1_700_000_000_100_000_000,
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans {
        spans: (0..n).map(span).collect(),
        ..ScopeSpans::default()
    }];
    let resource_spans = vec![ResourceSpans {
        scope_spans,
        ..ResourceSpans::default()
    }];
    let bytes = TracesData { resource_spans }.encode_to_vec();
    (TraceId(id), Bytes::from(bytes))
}
