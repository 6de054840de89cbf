//! How bodies are compressed: cheaply, as senders do it.

use bytes::Bytes;
use clap::ValueEnum;
use libdeflater::{CompressionLvl, Compressor};

/// What a request names as its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

/// The least level of zstd, and of gzip that compresses: libdeflate's `fastest` only stores, and nothing would be inflated.
const LEVEL: i32 = 1;

impl Encoding {
    /// None if there is nothing to say.
    #[must_use]
    pub fn named(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    pub(super) fn argument(self) -> &'static str {
        self.named().unwrap_or("identity")
    }
}

/// Compresses one body after the other.
pub(super) enum Encoder {
    Identity,
    Gzip(Compressor),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Encoder {
    pub(super) fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Identity => Self::Identity,
            Encoding::Gzip => {
                let level = CompressionLvl::new(LEVEL).expect("a level of libdeflate");
                Self::Gzip(Compressor::new(level))
            }
            Encoding::Zstd => {
                let compressor = zstd::bulk::Compressor::new(LEVEL);
                Self::Zstd(compressor.expect("a level of zstd"))
            }
        }
    }

    pub(super) fn body(&mut self, bytes: &[u8]) -> Bytes {
        match self {
            Self::Identity => Bytes::copy_from_slice(bytes),
            Self::Gzip(gzip) => {
                let mut out = vec![0; gzip.gzip_compress_bound(bytes.len())];
                let n_bytes = gzip
                    .gzip_compress(bytes, &mut out)
                    .expect("the buffer is as large as the bound says");
                out.truncate(n_bytes);
                out.into()
            }
            Self::Zstd(zstd) => {
                let out = zstd.compress(bytes);
                out.expect("the buffer is as large as the bound says")
                    .into()
            }
        }
    }
}
