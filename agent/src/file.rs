//! Files of the kernel as text, and the numbers in them. In: a path. Out: at most so many bytes of it, cut at a whole line. A file that is not there, may
//! not be read, or vanishes meanwhile is `None`; so is a number that is none: what cannot be read is not told.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes read of a file that holds one figure or a short list.
pub(crate) const SHORT_BYTES_MAX: u64 = 64 << 10;
/// Bytes read of a file with a line for each CPU, disk, interface or mount.
pub(crate) const LONG_BYTES_MAX: u64 = 4 << 20;
/// What most files of the kernel fit into, so that one read takes them.
const USUAL_BYTES: usize = 4 << 10;

/// The first `bytes_max` bytes of a file. A last line that the bound cuts is left out: half a number is another number.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Option<String> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    let file = File::open(path).ok()?;
    file.take(bytes_max).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 == bytes_max {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        bytes.truncate(whole);
    }
    Some(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// A file of the host's first process, which is in the namespaces of the host; of this one where that may not be read.
pub(crate) fn of_init(proc: &Path, name: &str, bytes_max: u64) -> Option<String> {
    let read_of = |process: &str| read(&proc.join(process).join(name), bytes_max);
    read_of("1").or_else(|| read_of("self"))
}

/// A short file.
pub(crate) fn read_short(path: &Path) -> Option<String> {
    read(path, SHORT_BYTES_MAX)
}

/// The number that a file holds alone.
pub(crate) fn number(path: &Path) -> Option<u64> {
    read_short(path)?.trim().parse().ok()
}

/// The number after `key` at the begin of a line: `key 12`, `key: 12 kB`.
pub(crate) fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(key)?;
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        if !rest.starts_with(char::is_whitespace) {
            return None;
        }
        rest.split_whitespace().next()?.parse().ok()
    })
}

/// The n-th (from 0) word of a line as a number.
pub(crate) fn word(line: &str, n: usize) -> Option<u64> {
    line.split_whitespace().nth(n)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_is_bounded_and_ends_with_a_whole_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("stat");
        std::fs::write(&path, "usage 12\nuser 3456\n").expect("written");
        assert_eq!(read(&path, 100).as_deref(), Some("usage 12\nuser 3456\n"));
        assert_eq!(read(&path, 16).as_deref(), Some("usage 12"));
        assert_eq!(read(&path, 3).as_deref(), Some(""));
        assert_eq!(read(&folder.path().join("gone"), 100), None);
        assert_eq!(read(folder.path(), 100), None, "a folder is no file");
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("stat");
        std::fs::write(&path, b"a 1\n\xff\xfe\0 2\n").expect("written");
        assert_eq!(field(&read_short(&path).expect("read"), "a"), Some(1));
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "MemFree:    22 kB\nMem: 1\nusage_usec 7\nusage 8\nbad: x\nlast";
        for (key, expected) in [
            ("MemFree", Some(22)),
            ("Mem", Some(1)),
            ("usage", Some(8)),
            ("usage_usec", Some(7)),
            ("bad", None),
            ("last", None),
            ("", None),
        ] {
            assert_eq!(field(text, key), expected, "{key}");
        }
    }
}
