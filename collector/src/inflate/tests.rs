use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::admit::Budget;

const MAX: u64 = 1 << 20;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ::zstd::bulk::compress(bytes, 3).expect("a vector takes all")
}

/// The inflated bytes, or the reason of the refusal.
fn inflate(encoding: Encoding, body: &[u8]) -> Result<Vec<u8>, &'static str> {
    let budget = Budget::new(64 << 20);
    let mut inflater = Inflater::new();
    let out = inflater
        .inflate(encoding, body, MAX, &mut budget.open())
        .map(<[u8]>::to_vec);
    out.map_err(|refusal| refusal.reason())
}

#[track_caller]
fn check(encoding: Encoding, body: &[u8], expected: Result<&[u8], &'static str>) {
    let out = inflate(encoding, body);
    let lens = (out.as_ref().map(Vec::len), expected.map(<[u8]>::len));
    assert!(
        out.as_deref().map_err(|&reason| reason) == expected,
        "{lens:?}"
    );
}

/// Bytes that do not compress well, the same each time.
fn noise(n: u64) -> Vec<u8> {
    (0..n)
        .flat_map(|i| xxhash_rust::xxh3::xxh3_64(&i.to_le_bytes()).to_le_bytes())
        .collect()
}

#[test]
fn gzip_of_every_shape_is_read_whole_or_refused() {
    let (a, b) = (gzip(b"first"), gzip(&noise(5_000)));
    check(Encoding::Gzip, &a, Ok(b"first"));
    check(Encoding::Gzip, &b, Ok(&noise(5_000)));
    check(Encoding::Gzip, &gzip(b""), Ok(b""));
    check(
        Encoding::Gzip,
        &[a.clone(), gzip(b"second")].concat(),
        Ok(b"firstsecond"),
    );
    check(
        Encoding::Gzip,
        &[a.clone(), a.clone(), a.clone()].concat(),
        Ok(b"firstfirstfirst"),
    );
    check(
        Encoding::Gzip,
        &[gzip(b""), a.clone()].concat(),
        Ok(b"first"),
    );
    check(
        Encoding::Gzip,
        &[&b[..], &a].concat(),
        Ok(&[&noise(5_000)[..], b"first"].concat()),
    );
    check(Encoding::Gzip, b"", Err("malformed"));
    check(Encoding::Gzip, b"plain text", Err("malformed"));
    check(
        Encoding::Gzip,
        &[&a[..], b"junk"].concat(),
        Err("malformed"),
    );
    check(
        Encoding::Gzip,
        &[&a[..], &[0; 8]].concat(),
        Err("malformed"),
    );
    for end in 0..a.len() {
        check(Encoding::Gzip, &a[..end], Err("malformed"));
    }
    let nested = gzip(&gzip(b"inner"));
    check(Encoding::Gzip, &nested, Ok(&gzip(b"inner")));
}

#[test]
fn gzip_with_a_bad_checksum_or_length_is_refused() {
    let good = gzip(b"some bytes");
    for at in good.len() - 8..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        check(Encoding::Gzip, &bad, Err("malformed"));
    }
}

#[test]
fn zstd_of_every_shape_is_read_whole_or_refused() {
    let (a, b) = (zstd(b"first"), zstd(&noise(90_000)));
    check(Encoding::Zstd, &a, Ok(b"first"));
    check(Encoding::Zstd, &b, Ok(&noise(90_000)));
    check(Encoding::Zstd, &zstd(b""), Ok(b""));
    check(
        Encoding::Zstd,
        &[&a[..], &b, &a].concat(),
        Ok(&[b"first", &noise(90_000)[..], b"first"].concat()),
    );
    check(Encoding::Zstd, b"", Err("malformed"));
    check(Encoding::Zstd, b"plain text", Err("malformed"));
    check(
        Encoding::Zstd,
        &[&a[..], b"junk"].concat(),
        Err("malformed"),
    );
    for end in 1..a.len() {
        check(Encoding::Zstd, &a[..end], Err("malformed"));
    }
}

#[test]
fn a_window_over_8_mib_is_refused() {
    let mut encoder = ::zstd::stream::Encoder::new(Vec::new(), 3).expect("level 3 exists");
    encoder
        .set_parameter(::zstd::stream::raw::CParameter::WindowLog(24))
        .expect("in range");
    encoder.write_all(b"few bytes").expect("a vector takes all");
    check(
        Encoding::Zstd,
        &encoder.finish().expect("a vector takes all"),
        Err("malformed"),
    );
}

#[test]
fn a_bomb_is_refused_at_the_limit_and_holds_no_more_than_it() {
    let zeros = vec![0; 64 << 20];
    let lying = [&gzip(&zeros)[..], &gzip(b"")].concat();
    for (encoding, body) in [
        (Encoding::Gzip, gzip(&zeros)),
        (Encoding::Gzip, lying),
        (Encoding::Zstd, zstd(&zeros)),
    ] {
        let budget = Budget::new(64 << 20);
        let (mut inflater, mut reserved) = (Inflater::new(), budget.open());
        let refused = inflater.inflate(encoding, &body, MAX, &mut reserved);
        assert_eq!(
            refused.map_err(|refusal| refusal.reason()),
            Err("too_large")
        );
        assert!(
            reserved.bytes() <= MAX + 1,
            "{} B are reserved",
            reserved.bytes()
        );
        assert!(inflater.out.buffer.len() as u64 <= MAX + 1);
    }
}

#[test]
fn exactly_the_limit_is_taken_and_a_byte_more_is_not() {
    for (encoding, compress) in [
        (Encoding::Gzip, gzip as fn(&[u8]) -> Vec<u8>),
        (Encoding::Zstd, zstd),
    ] {
        let limit = vec![7; MAX as usize];
        check(encoding, &compress(&limit), Ok(&limit));
        check(
            encoding,
            &compress(&[&limit[..], b"1"].concat()),
            Err("too_large"),
        );
    }
    let halves = [
        gzip(&vec![7; MAX as usize / 2]),
        gzip(&vec![7; MAX as usize / 2]),
    ]
    .concat();
    check(Encoding::Gzip, &halves, Ok(&vec![7; MAX as usize]));
}

#[test]
fn without_memory_nothing_is_inflated() {
    let budget = Budget::new(1000);
    let mut other = budget.open();
    assert_eq!(other.grow(600), Ok(()));
    for (encoding, body) in [
        (Encoding::Gzip, gzip(&[0; 900])),
        (Encoding::Zstd, zstd(&[0; 900])),
    ] {
        let mut inflater = Inflater::new();
        let refused = inflater.inflate(encoding, &body, MAX, &mut budget.open());
        let reason = refused
            .map_err(|refusal| refusal.reason())
            .expect_err("400 B are free");
        // zstd asks for a whole step, which even the empty budget does not have.
        assert_eq!(
            reason,
            if encoding == Encoding::Gzip {
                "memory"
            } else {
                "too_large"
            }
        );
        assert!(inflater.out.buffer.is_empty());
    }
}

#[test]
fn encodings_are_known_by_name_alone() {
    assert_eq!(Encoding::named(b"GZIP "), Some(Encoding::Gzip));
    assert_eq!(Encoding::named(b"zstd"), Some(Encoding::Zstd));
    assert_eq!(Encoding::named(b"identity"), Some(Encoding::Identity));
    for unknown in [&b"br"[..], b"deflate", b"snappy", b"gzip, gzip", b""] {
        assert_eq!(Encoding::named(unknown), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn one_inflater_gives_back_what_was_compressed_time_after_time(
        bodies in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..3000), 0..3usize), 1..8)
    ) {
        let budget = Budget::new(64 << 20);
        let mut inflater = Inflater::new();
        for (bytes, kind) in bodies {
            let (encoding, body) = match kind {
                0 => (Encoding::Identity, bytes.clone()),
                1 => (Encoding::Gzip, gzip(&bytes)),
                _ => (Encoding::Zstd, zstd(&bytes)),
            };
            let mut reserved = budget.open();
            let out = inflater.inflate(encoding, &body, MAX, &mut reserved);
            prop_assert_eq!(out.map(<[u8]>::to_vec), Ok(bytes));
        }
        prop_assert_eq!(budget.held_bytes(), 0);
    }

    #[test]
    fn damaged_bytes_never_panic(mut body in prop::collection::vec(any::<u8>(), 0..200), at in 0..200usize, to: u8) {
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let mut packed = if encoding == Encoding::Gzip { gzip(&body) } else { zstd(&body) };
            let len = packed.len();
            packed[at % len] = to;
            let _unread = inflate(encoding, &packed);
        }
        body.truncate(at);
        let _unread = inflate(Encoding::Gzip, &body);
    }
}
