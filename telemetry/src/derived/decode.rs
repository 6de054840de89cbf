//! Reads a derived record. Nothing is reserved that the bytes do not hold.

use super::{
    DeltaValue, DerivedRecord, Exemplar, LABELS_MAX, SeriesDelta, TEXTS_MAX, TenantDelta, VERSION,
    WindowDelta,
};
use crate::histogram::{BUCKETS_MAX, Counts, ExpHistogram};
use crate::{RecordTime, SpanId, TraceId};

/// Why bytes are no derived record of this release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DerivedError {
    #[error("a derived record of format {found}, this release reads format {VERSION}")]
    Version { found: u8 },
    #[error("a derived record that is damaged: {0}")]
    Damaged(&'static str),
}

type Decoded<T> = Result<T, DerivedError>;

const SHORT: DerivedError = DerivedError::Damaged("it ends early");

impl DerivedRecord {
    /// Reads a whole record.
    ///
    /// # Errors
    /// When the bytes are of a later version, or not what [`DerivedRecord::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Decoded<Self> {
        let mut input = Input { rest: bytes };
        let version = input.u8()?;
        if version != VERSION {
            return Err(DerivedError::Version { found: version });
        }
        let source_partition = input.u32()?;
        let (previous_end, end) = (input.varint()?, input.varint()?);
        let part = input.u32()?;
        let is_last = match input.u8()? {
            0 => false,
            1 => true,
            _ => return Err(DerivedError::Damaged("a flag is neither 0 nor 1")),
        };
        let complete_to = RecordTime {
            unix_ms: input.signed()?,
        };
        let texts = input.texts()?;
        let mut tenants = Vec::new();
        for _ in 0..input.count()? {
            tenants.push(input.tenant(&texts)?);
        }
        if !input.rest.is_empty() {
            return Err(DerivedError::Damaged("something follows its end"));
        }
        Ok(Self {
            source_partition,
            previous_end,
            end,
            part,
            is_last,
            complete_to,
            tenants,
        })
    }
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Decoded<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(SHORT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Decoded<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(SHORT)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Decoded<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn f64(&mut self) -> Decoded<f64> {
        self.array().map(f64::from_le_bytes)
    }

    fn varint(&mut self) -> Decoded<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 || shift > 0 && byte == 0 {
                break; // more than 64 bits, or a longer form of a shorter number
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(DerivedError::Damaged("a number is too long"))
    }

    fn u32(&mut self) -> Decoded<u32> {
        let too_large = |_| DerivedError::Damaged("a number is too large");
        u32::try_from(self.varint()?).map_err(too_large)
    }

    fn signed(&mut self) -> Decoded<i64> {
        let number = self.varint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// How many things of at least a byte follow.
    fn count(&mut self) -> Decoded<usize> {
        let n = usize::try_from(self.varint()?).map_err(|_| SHORT)?;
        if n > self.rest.len() {
            return Err(SHORT);
        }
        Ok(n)
    }

    fn texts(&mut self) -> Decoded<Vec<&'a str>> {
        let n_texts = self.count()?;
        if n_texts as u64 > TEXTS_MAX {
            return Err(DerivedError::Damaged("it has too many texts"));
        }
        let mut texts: Vec<&str> = Vec::new();
        for _ in 0..n_texts {
            let n_bytes = self.count()?;
            let text = std::str::from_utf8(self.take(n_bytes)?)
                .map_err(|_| DerivedError::Damaged("a text is not UTF-8"))?;
            if texts.last().is_some_and(|last| *last >= text) {
                return Err(DerivedError::Damaged("its texts are out of order"));
            }
            texts.push(text);
        }
        Ok(texts)
    }

    fn text(&mut self, texts: &[&'a str]) -> Decoded<&'a str> {
        let place = usize::try_from(self.varint()?).ok();
        let text = place.and_then(|place| texts.get(place));
        text.copied()
            .ok_or(DerivedError::Damaged("it names a text that is not there"))
    }

    fn tenant(&mut self, texts: &[&'a str]) -> Decoded<TenantDelta> {
        let tenant = self
            .text(texts)?
            .parse()
            .map_err(|_| DerivedError::Damaged("a tenant's name is none"))?;
        let mut series = Vec::new();
        for _ in 0..self.count()? {
            series.push(self.series(texts)?);
        }
        Ok(TenantDelta { tenant, series })
    }

    fn series(&mut self, texts: &[&'a str]) -> Decoded<SeriesDelta> {
        let name = self.text(texts)?.to_owned();
        let labels = self.labels(texts)?;
        let mut windows: Vec<WindowDelta> = Vec::new();
        let mut before = 0;
        for _ in 0..self.count()? {
            let window = self.window(before)?;
            before = window.start_unix_ms;
            windows.push(window);
        }
        let mut exemplars = Vec::new();
        for _ in 0..self.count()? {
            exemplars.push(Exemplar {
                unix_ms: self.signed()?,
                value: self.f64()?,
                trace_id: TraceId(self.array()?),
                span_id: SpanId(self.array()?),
            });
        }
        Ok(SeriesDelta {
            name,
            labels,
            windows,
            exemplars,
        })
    }

    fn labels(&mut self, texts: &[&'a str]) -> Decoded<Vec<(String, String)>> {
        let n_labels = self.count()?;
        if n_labels as u64 > LABELS_MAX {
            return Err(DerivedError::Damaged("a series has too many labels"));
        }
        let mut labels: Vec<(String, String)> = Vec::with_capacity(n_labels);
        for _ in 0..n_labels {
            let (name, value) = (self.text(texts)?, self.text(texts)?);
            if labels.last().is_some_and(|(last, _)| last.as_str() >= name) {
                return Err(DerivedError::Damaged("labels are out of order"));
            }
            labels.push((name.to_owned(), value.to_owned()));
        }
        Ok(labels)
    }

    fn window(&mut self, before: i64) -> Decoded<WindowDelta> {
        let start_unix_ms = before.wrapping_add(self.signed()?);
        let length_ms = i64::try_from(self.varint()?).ok();
        let end_unix_ms = length_ms
            .and_then(|length_ms| start_unix_ms.checked_add(length_ms))
            .ok_or(DerivedError::Damaged("a window has no end"))?;
        let value = match self.u8()? {
            0 => DeltaValue::Seen,
            1 => DeltaValue::Count(self.f64()?),
            2 => DeltaValue::Histogram(self.histogram(Self::whole)?),
            3 => DeltaValue::Histogram(self.histogram(Self::weighted)?),
            _ => return Err(DerivedError::Damaged("a value is of no known kind")),
        };
        Ok(WindowDelta {
            start_unix_ms,
            end_unix_ms,
            value,
        })
    }

    fn histogram(
        &mut self,
        counts: impl Fn(&mut Self) -> Decoded<Counts>,
    ) -> Decoded<ExpHistogram> {
        let no_histogram = DerivedError::Damaged("a histogram is none");
        let scale = self.u8()? as i8;
        let offset = i32::try_from(self.signed()?).map_err(|_| no_histogram.clone())?;
        let sum = self.f64()?;
        let counts = counts(self)?;
        ExpHistogram::from_parts(scale, offset, counts, sum).ok_or(no_histogram)
    }

    fn whole(&mut self) -> Decoded<Counts> {
        let zero = self.varint()?;
        let n_buckets = self.n_buckets()?;
        let buckets = (0..n_buckets).map(|_| self.varint());
        let buckets = buckets.collect::<Decoded<_>>()?;
        Ok(Counts::Whole { zero, buckets })
    }

    fn weighted(&mut self) -> Decoded<Counts> {
        let zero = self.f64()?;
        let n_buckets = self.n_buckets()?;
        let buckets = (0..n_buckets).map(|_| self.f64());
        let buckets = buckets.collect::<Decoded<_>>()?;
        Ok(Counts::Weighted { zero, buckets })
    }

    fn n_buckets(&mut self) -> Decoded<usize> {
        let n_buckets = self.count()?;
        if n_buckets > BUCKETS_MAX {
            return Err(DerivedError::Damaged("a histogram has too many buckets"));
        }
        Ok(n_buckets)
    }
}
