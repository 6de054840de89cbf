//! Reads a body under its limits: bytes reserved before they are kept, a longest pause, a longest time in all.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::Reserved;
use crate::answer::Refusal;
use crate::inflate::Encoding;

/// Most bytes that a gathering buffer takes at once for a length that was announced but not yet sent.
const ANNOUNCED_ALLOC_MAX: usize = 1 << 20;

/// What a body is held to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    pub(crate) bytes_max: u64,
    /// Longest pause between two frames.
    pub(crate) idle: Duration,
    /// Longest time for all of it.
    pub(crate) total: Duration,
}

impl BodyLimits {
    /// # Errors
    /// When a body of `bytes` is over the limit.
    pub(crate) fn check(&self, bytes: u64) -> Result<(), Refusal> {
        if bytes > self.bytes_max {
            return Err(Refusal::TooLarge {
                what: "body as sent in bytes",
                amount: bytes,
                limit: "limits.body_max",
                max: self.bytes_max,
            });
        }
        Ok(())
    }
}

/// The frames of a body, each within the time that is allowed.
pub(crate) struct Frames<B> {
    body: B,
    limits: BodyLimits,
    ends_by: Instant,
}

impl<B> Frames<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    pub(crate) fn new(body: B, limits: BodyLimits) -> Self {
        Self {
            body,
            limits,
            ends_by: Instant::now() + limits.total,
        }
    }

    /// The next bytes, never empty, or none at the end. Empty frames do not count as progress. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let idle_by = Instant::now() + self.limits.idle;
        loop {
            let frame = timeout_at(idle_by.min(self.ends_by), self.body.frame())
                .await
                .map_err(|_| self.too_slow(idle_by))?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame
                .map_err(|error| Refusal::malformed("body", format!("it broke off: {error}")))?;
            match frame.into_data() {
                Ok(bytes) if !bytes.is_empty() => return Ok(Some(bytes)),
                _ => {}
            }
        }
    }

    fn too_slow(&self, idle_by: Instant) -> Refusal {
        Refusal::Slow(if idle_by <= self.ends_by {
            format!(
                "no byte of the body came for {:?} (limits.body_idle)",
                self.limits.idle
            )
        } else {
            format!(
                "the body took over {:?} (limits.body_total)",
                self.limits.total
            )
        })
    }
}

/// Bytes put together from frames. One frame alone is kept as it is, uncopied.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    first: Bytes,
    more: BytesMut,
}

impl Gathered {
    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.more.len()
    }

    /// Takes `bytes`. `announced` is the length that all of it should come to, 0 if unknown.
    pub(crate) fn push(&mut self, bytes: Bytes, announced: usize) {
        if self.len() == 0 {
            self.first = bytes;
            return;
        }
        if self.more.is_empty() {
            let whole = self.first.len() + bytes.len();
            self.more
                .reserve(announced.min(ANNOUNCED_ALLOC_MAX).max(whole));
            self.more
                .extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.more.extend_from_slice(&bytes);
    }

    pub(crate) fn finish(self) -> Bytes {
        if self.more.is_empty() {
            self.first
        } else {
            self.more.freeze()
        }
    }
}

/// Reads a whole body. Its announced length is refused or reserved before a byte is read, everything beyond it as it comes.
pub(crate) async fn read_whole<B>(
    body: B,
    encoding: Encoding,
    limits: BodyLimits,
    reserved: &mut Reserved,
) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let announced = body.size_hint().exact().unwrap_or(0);
    limits.check(announced)?;
    reserved
        .begin(announced, encoding.expected(announced))
        .await?;
    let mut frames = Frames::new(body, limits);
    let mut gathered = Gathered::default();
    while let Some(bytes) = frames.next().await? {
        let len = gathered.len() as u64 + bytes.len() as u64;
        limits.check(len)?;
        reserved.grow_to(len)?;
        gathered.push(bytes, announced as usize);
    }
    Ok(gathered.finish())
}

/// Reads on to the end of a body and forgets it, within `limits`. Returns whether the end came. Cancel-safe.
pub(crate) async fn discard<B>(body: B, limits: BodyLimits) -> bool
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    if limits.check(body.size_hint().lower()).is_err() {
        return false;
    }
    let mut frames = Frames::new(body, limits);
    let mut n_bytes = 0;
    loop {
        match frames.next().await {
            Ok(Some(bytes)) => n_bytes += bytes.len() as u64,
            Ok(None) => return true,
            Err(_) => return false,
        }
        if limits.check(n_bytes).is_err() {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admit::Budget;
    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    const LIMITS: BodyLimits = BodyLimits {
        bytes_max: 10,
        idle: Duration::from_secs(10),
        total: Duration::from_secs(60),
    };

    type Chunk = Result<Frame<Bytes>, std::io::Error>;

    fn chunks(of: &[&'static str]) -> StreamBody<impl futures::Stream<Item = Chunk> + use<>> {
        let frames: Vec<Chunk> = of
            .iter()
            .map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes()))))
            .collect();
        StreamBody::new(futures::stream::iter(frames))
    }

    #[tokio::test]
    async fn a_body_is_put_together_and_reserved_to_its_length() {
        let budget = Budget::new(100);
        let mut reserved = budget.open();
        let body = read_whole(
            chunks(&["ab", "", "cde", "f"]),
            Encoding::Identity,
            LIMITS,
            &mut reserved,
        )
        .await;
        assert_eq!(body.expect("within the limits"), "abcdef");
        assert_eq!(budget.held_bytes(), 6);
    }

    #[tokio::test]
    async fn an_announced_length_over_the_limit_is_refused_before_reading() {
        let budget = Budget::new(100);
        let mut reserved = budget.open();
        let body = Full::new(Bytes::from_static(b"eleven byte"));
        let refused = read_whole(body, Encoding::Identity, LIMITS, &mut reserved)
            .await
            .expect_err("11 > 10");
        assert_eq!(refused.reason(), "too_large");
        assert_eq!(budget.held_bytes(), 0);
    }

    #[tokio::test]
    async fn endless_chunks_end_at_the_limit() {
        let endless = || {
            StreamBody::new(futures::stream::repeat_with(|| -> Chunk {
                Ok(Frame::data(Bytes::from_static(b"abc")))
            }))
        };
        let budget = Budget::new(100);
        let refused = read_whole(endless(), Encoding::Identity, LIMITS, &mut budget.open()).await;
        assert_eq!(refused.expect_err("12 > 10").reason(), "too_large");
        assert!(!discard(endless(), LIMITS).await);
        assert!(discard(chunks(&["abc", "def"]), LIMITS).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_pauses_or_trickles_is_too_slow() {
        async fn told(pause: Duration) -> String {
            let trickle = StreamBody::new(Box::pin(futures::stream::unfold(
                (),
                move |()| async move {
                    tokio::time::sleep(pause).await;
                    Some((Chunk::Ok(Frame::data(Bytes::from_static(b"a"))), ()))
                },
            )));
            let budget = Budget::new(100);
            let refused = read_whole(trickle, Encoding::Identity, LIMITS, &mut budget.open()).await;
            refused.expect_err("too slow").to_string()
        }
        let idle = told(Duration::from_secs(11)).await;
        assert_eq!(idle, "no byte of the body came for 10s (limits.body_idle)");
        let total = told(Duration::from_secs(9)).await;
        assert_eq!(total, "the body took over 60s (limits.body_total)");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_malformed() {
        let broken = StreamBody::new(futures::stream::iter([
            Chunk::Ok(Frame::data(Bytes::from_static(b"a"))),
            Chunk::Err(std::io::Error::other("reset")),
        ]));
        let refused = read_whole(
            broken,
            Encoding::Identity,
            LIMITS,
            &mut Budget::new(100).open(),
        )
        .await;
        assert_eq!(
            refused.expect_err("broken").to_string(),
            "body: it broke off: reset"
        );
    }
}
