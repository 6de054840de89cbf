//! Objects and arrays of JSON, written as they come.

use serde::Serialize;

/// An object being written.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> Object<'o> {
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            is_empty: true,
        }
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }

    /// Writes a name; its value goes where this points.
    pub(super) fn value(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        put(name, self.out);
        self.out.push(b':');
        self.out
    }

    /// A field that is written even at its default.
    pub(super) fn set<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) {
        put(value, self.value(name));
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.set(name, text);
        }
    }

    /// A number of at most 32 bits.
    pub(super) fn count(&mut self, name: &str, count: u32) {
        if count != 0 {
            self.set(name, &count);
        }
    }

    /// A number of 64 bits.
    pub(super) fn integer(&mut self, name: &str, value: u64) {
        if value != 0 {
            self.set(name, &value.to_string());
        }
    }

    /// An id in lower-case hex; one that is all zero is left out.
    pub(super) fn id(&mut self, name: &str, id: &[u8]) {
        if id.iter().all(|&byte| byte == 0) {
            return;
        }
        let out = self.value(name);
        out.push(b'"');
        for byte in id {
            out.extend([byte >> 4, byte & 0xf].map(hex_digit));
        }
        out.push(b'"');
    }
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' + nibble - 10
    }
}

fn put<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value)
        .expect("text and numbers are always JSON, and memory takes all bytes");
}

/// Writes an array of what `write` writes for each item.
pub(super) fn write_array<T>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(b'[');
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}
