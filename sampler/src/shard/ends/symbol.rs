//! What many ends of calls say alike, each once, for as long as an open end says it.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use service_map::edge::{PeerKind, Role};

/// What an end says beside its ids and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said<'a> {
    /// As bytes: a span's own is not read as text to be looked up.
    pub(super) service: &'a [u8],
    pub(super) role: Role,
    pub(super) peer: Option<(PeerKind, &'a str)>,
    pub(super) failed: bool,
    pub(super) is_root: bool,
    pub(super) weight_bits: u64,
    pub(super) window_ms: i64,
}

/// What is small in one number: hashing costs by the piece.
impl Hash for Said<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.small() ^ (self.window_ms as u64) << 6);
        state.write_u64(self.weight_bits);
        state.write(self.service);
        state.write(self.peer_name());
    }
}

impl Said<'_> {
    /// What takes a few bits, in 6.
    fn small(&self) -> u64 {
        let kind = self.peer.map_or(0, |(kind, _)| 1 + kind as u64);
        self.role as u64 | kind << 2 | u64::from(self.failed) << 4 | u64::from(self.is_root) << 5
    }

    fn peer_name(&self) -> &[u8] {
        self.peer.map_or(&[], |(_, name)| name.as_bytes())
    }

    /// Its place among the recent ones: peers of one service mostly differ in how long their names are and how they begin.
    fn recent_place(&self) -> usize {
        let name = self.peer_name();
        let begin = u64::from(name.first().copied().unwrap_or_default());
        let told = self.small() | begin << 6 | (name.len() as u64) << 14;
        (told.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - RECENT_BITS)) as usize
    }
}

/// The same, kept. Its number is given out again once no end has it.
#[derive(Debug)]
pub(super) struct Symbol {
    hash: u64,
    n_ends: u32,
    service: Box<str>,
    peer_name: Box<str>,
    peer: Option<PeerKind>,
    role: Role,
    failed: bool,
    is_root: bool,
    weight_bits: u64,
    window_ms: i64,
}

/// What a symbol takes beside its texts: itself, its place in the index, and what the allocator adds to each text.
const SYMBOL_BYTES: u64 = size_of::<Symbol>() as u64 + 8 + 2 * 16;

/// Symbols that are remembered as recent: 2 to the power of this.
const RECENT_BITS: u32 = 6;

#[derive(Debug)]
pub(super) struct Symbols {
    all: Vec<Symbol>,
    free: Vec<u32>,
    /// Looked up, never gone through: its order is random.
    index: HashTable<u32>,
    hasher: RandomState,
    /// Who was added last at each place: most ends say what another of the same record said just before, and need no hash.
    recent: [u32; 1 << RECENT_BITS],
    bytes: u64,
}

impl Default for Symbols {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::default(),
            recent: [0; 1 << RECENT_BITS],
            bytes: 0,
        }
    }
}

impl Symbol {
    pub(super) fn said(&self) -> Said<'_> {
        Said {
            service: self.service.as_bytes(),
            role: self.role,
            peer: self.peer.map(|kind| (kind, &*self.peer_name)),
            failed: self.failed,
            is_root: self.is_root,
            weight_bits: self.weight_bits,
            window_ms: self.window_ms,
        }
    }

    pub(super) fn service(&self) -> &str {
        &self.service
    }

    fn bytes(&self) -> u64 {
        SYMBOL_BYTES + (self.service.len() + self.peer_name.len()) as u64
    }
}

impl Symbols {
    /// Number of what one more end says.
    pub(super) fn add(&mut self, said: Said<'_>) -> u32 {
        let place = said.recent_place();
        let recent = self.recent[place];
        if let Some(symbol) = self.all.get_mut(recent as usize)
            && symbol.n_ends > 0
            && symbol.said() == said
        {
            symbol.n_ends += 1;
            return recent;
        }
        let number = self.look_up(said);
        self.recent[place] = number;
        number
    }

    fn look_up(&mut self, said: Said<'_>) -> u32 {
        let hash = self.hasher.hash_one(said);
        let all = &self.all;
        let is = |&number: &u32| {
            let symbol = all.get(number as usize);
            symbol.is_some_and(|symbol| symbol.hash == hash && symbol.said() == said)
        };
        if let Some(&number) = self.index.find(hash, is) {
            self.get_mut(number).n_ends += 1;
            return number;
        }
        let symbol = Symbol {
            hash,
            n_ends: 1,
            service: String::from_utf8_lossy(said.service).into(),
            peer_name: said.peer.map_or("", |(_, name)| name).into(),
            peer: said.peer.map(|(kind, _)| kind),
            role: said.role,
            failed: said.failed,
            is_root: said.is_root,
            weight_bits: said.weight_bits,
            window_ms: said.window_ms,
        };
        self.bytes += symbol.bytes();
        let number = self.put(symbol);
        let all = &self.all;
        let hash_of = |&number: &u32| all.get(number as usize).map_or(0, |symbol| symbol.hash);
        self.index.insert_unique(hash, number, hash_of);
        number
    }

    fn put(&mut self, symbol: Symbol) -> u32 {
        if let Some(number) = self.free.pop() {
            *self.get_mut(number) = symbol;
            return number;
        }
        self.all.push(symbol);
        u32::try_from(self.all.len() - 1).expect("fewer than 2^32 symbols fit into memory")
    }

    /// One end less says it.
    pub(super) fn release(&mut self, number: u32) {
        let symbol = self.get_mut(number);
        symbol.n_ends -= 1;
        if symbol.n_ends > 0 {
            return;
        }
        let (hash, bytes) = (symbol.hash, symbol.bytes());
        symbol.service = Box::default();
        symbol.peer_name = Box::default();
        self.bytes -= bytes;
        self.free.push(number);
        if let Ok(entry) = self.index.find_entry(hash, |&other| other == number) {
            entry.remove();
        }
        if self.free.len() == self.all.len() {
            // what one flood needed is not held for ever
            self.all = Vec::new();
            self.free = Vec::new();
        }
    }

    pub(super) fn get(&self, number: u32) -> &Symbol {
        let symbol = self.all.get(number as usize);
        symbol.expect("a symbol stays while an end has it")
    }

    fn get_mut(&mut self, number: u32) -> &mut Symbol {
        let symbol = self.all.get_mut(number as usize);
        symbol.expect("a symbol stays while an end has it")
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(service: &str, window_ms: i64) -> Said<'_> {
        Said {
            service: service.as_bytes(),
            role: Role::Client,
            peer: Some((PeerKind::Database, "db")),
            failed: false,
            is_root: false,
            weight_bits: 1.0f64.to_bits(),
            window_ms,
        }
    }

    #[test]
    fn a_symbol_stays_while_an_end_has_it() {
        let mut symbols = Symbols::default();
        let (a, b) = (symbols.add(said("a", 0)), symbols.add(said("b", 0)));
        assert_eq!(symbols.add(said("a", 0)), a);
        assert_ne!(a, b);
        assert_eq!(symbols.get(a).said(), said("a", 0));
        let bytes = symbols.bytes();
        symbols.release(a);
        assert_eq!(symbols.bytes(), bytes);
        symbols.release(a);
        assert!(symbols.bytes() < bytes);
        assert_eq!(symbols.get(b).said(), said("b", 0));
        assert_eq!(
            symbols.add(said("a", 10_000)),
            a,
            "its number is given out again"
        );
        assert_eq!(symbols.bytes(), bytes);
        symbols.release(a);
        symbols.release(b);
        assert_eq!(symbols.bytes(), 0);
        assert_eq!(symbols.add(said("c", 0)), 0);
    }
}
