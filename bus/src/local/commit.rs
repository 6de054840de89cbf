//! The thread that writes: everything queued while one fsync runs goes into the next write, and then all who wait are answered.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::retention::Retention;
use super::share::{OWN_BYTES_MAX, Share};
use super::writer::{Entry, LogWriter, Refusal};
use crate::{Appended, Metrics, PublishError};

/// Most bytes of one write; more only for a single larger request.
const BATCH_BYTES_MAX: u64 = 1 << 20;
/// How often retention looks, at least.
const RETENTION_EVERY: Duration = Duration::from_secs(60);

/// The writer's thread and its queue. Dropping it writes what is queued and joins the thread.
#[derive(Debug)]
pub(crate) struct CommitThread {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
    metrics: Metrics,
}

#[derive(Debug)]
struct QueueState {
    requests: VecDeque<Request>,
    /// What senders sent.
    sent: Share,
    /// What owners say.
    own: Share,
    closed: bool,
}

impl QueueState {
    fn share(&mut self, is_own: bool) -> &mut Share {
        if is_own {
            &mut self.own
        } else {
            &mut self.sent
        }
    }

    fn queued_bytes(&self) -> i64 {
        (self.sent.queued_bytes() + self.own.queued_bytes()) as i64
    }
}

#[derive(Debug)]
struct Request {
    entries: Vec<Entry>,
    n_bytes: u64,
    is_own: bool,
    answer: oneshot::Sender<Result<Vec<Appended>, Refusal>>,
}

impl CommitThread {
    pub(crate) fn start(
        writer: LogWriter,
        retention: Retention,
        queue_bytes_max: u64,
        metrics: Metrics,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue {
            state: Mutex::new(QueueState {
                requests: VecDeque::new(),
                sent: Share::new(queue_bytes_max),
                own: Share::new(OWN_BYTES_MAX),
                closed: false,
            }),
            changed: Condvar::new(),
            metrics,
        });
        let of_thread = queue.clone();
        let thread = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || run(&of_thread, writer, retention))?;
        Ok(Self {
            queue,
            thread: Some(thread),
        })
    }

    /// Queues a request; its answer comes when it is durable or refused.
    pub(crate) async fn append(&self, entries: Vec<Entry>) -> Result<Vec<Appended>, PublishError> {
        let n_bytes = entries.iter().map(Entry::frame_bytes).sum();
        let (answer, answered) = oneshot::channel();
        self.enqueue(Request {
            is_own: entries.iter().all(Entry::is_own),
            entries,
            n_bytes,
            answer,
        })?;
        match answered.await {
            Ok(result) => Ok(result?),
            Err(_) => Err(PublishError::Closed),
        }
    }

    fn enqueue(&self, request: Request) -> Result<(), PublishError> {
        let mut state = self.queue.state.lock();
        if state.closed {
            return Err(PublishError::Closed);
        }
        state.share(request.is_own).take(request.n_bytes)?;
        self.queue.metrics.queue_bytes.set(state.queued_bytes());
        state.requests.push_back(request);
        drop(state);
        self.queue.changed.notify_one();
        Ok(())
    }
}

impl Drop for CommitThread {
    fn drop(&mut self) {
        self.queue.state.lock().closed = true;
        self.queue.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(
                code = "TW2104",
                "the thread that writes the log has panicked"
            );
        }
    }
}

/// What the queue gave.
enum Next {
    Batch(Vec<Request>),
    Idle,
    Closed,
}

impl Queue {
    /// Everything that is queued, up to the bound of a write.
    fn next(&self) -> Next {
        let mut state = self.state.lock();
        while state.requests.is_empty() {
            if state.closed {
                return Next::Closed;
            }
            if self
                .changed
                .wait_for(&mut state, RETENTION_EVERY)
                .timed_out()
            {
                return Next::Idle;
            }
        }
        let mut batch = Vec::new();
        let mut batch_bytes = 0;
        while let Some(request) = state.requests.front()
            && (batch.is_empty() || batch_bytes + request.n_bytes <= BATCH_BYTES_MAX)
        {
            batch_bytes += request.n_bytes;
            batch.extend(state.requests.pop_front());
        }
        Next::Batch(batch)
    }

    /// The memory of requests is free again.
    fn done(&self, batch: impl Iterator<Item = (bool, u64)>) {
        let mut state = self.state.lock();
        for (is_own, n_bytes) in batch {
            state.share(is_own).give_back(n_bytes);
        }
        self.metrics.queue_bytes.set(state.queued_bytes());
    }
}

/// Closes the queue when the writer ends, also by a panic: who waits then hears that the log is closed, and no one waits for ever.
struct CloseOnEnd<'a>(&'a Queue);

impl Drop for CloseOnEnd<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.closed = true;
        state.requests.clear();
    }
}

fn run(queue: &Queue, mut writer: LogWriter, mut retention: Retention) {
    let _close = CloseOnEnd(queue);
    loop {
        match queue.next() {
            Next::Batch(batch) => commit(queue, &mut writer, batch),
            Next::Idle => {}
            Next::Closed => return,
        }
        retention.enforce_if_due(RETENTION_EVERY);
    }
}

fn commit(queue: &Queue, writer: &mut LogWriter, batch: Vec<Request>) {
    let sizes: Vec<(bool, u64)> = batch
        .iter()
        .map(|request| (request.is_own, request.n_bytes))
        .collect();
    let (entries, answers): (Vec<_>, Vec<_>) = batch
        .into_iter()
        .map(|request| (request.entries, request.answer))
        .unzip();
    let result = writer.commit_batch(&entries);
    drop(entries);
    queue.done(sizes.into_iter());
    match result {
        Ok(appended) => {
            for (answer, appended) in answers.into_iter().zip(appended) {
                // A sender that went away is no concern of the log: its records are durable all the same.
                drop(answer.send(Ok(appended)));
            }
        }
        Err(refusal) => {
            for answer in answers {
                drop(answer.send(Err(refusal.clone())));
            }
        }
    }
}
