//! Memory that a virtual machine was never given costs its host's time at the first touch: whoever runs first would pay for it. So all of it that a section
//! will want is touched once before anything is measured.

use std::io;

/// At most so much is touched.
const TOUCHED_BYTES_MAX: u64 = 12 << 30;
const PIECE_BYTES: usize = 64 << 20;
const PAGE_BYTES: usize = 4_096;

/// Touches three quarters of the memory that is free, once, and gives it back.
///
/// # Errors
/// When /proc is not mounted.
pub fn touch_free_memory() -> io::Result<()> {
    let free_bytes = free_bytes(&std::fs::read_to_string("/proc/meminfo")?);
    let n_pieces = (free_bytes / 4 * 3).min(TOUCHED_BYTES_MAX) as usize / PIECE_BYTES;
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for _ in 0..n_pieces {
        let mut piece = vec![0_u8; PIECE_BYTES];
        piece
            .iter_mut()
            .step_by(PAGE_BYTES)
            .for_each(|byte| *byte = 1);
        pieces.push(std::hint::black_box(piece));
    }
    Ok(())
}

/// `MemFree` of /proc/meminfo, in bytes; 0 if it is not told.
fn free_bytes(meminfo: &str) -> u64 {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemFree:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_read_from_its_line() {
        let meminfo =
            "MemTotal:       24567890 kB\nMemFree:         1000 kB\nMemAvailable:    2000 kB\n";
        assert_eq!(free_bytes(meminfo), 1_024_000);
        assert_eq!(free_bytes(""), 0);
    }
}
