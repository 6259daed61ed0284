//! The objects of a systemd journal's file.
//!
//! In go bytes from the file, out come its header and what its objects say: entries, the data they share, arrays of entries
//! and hash tables. Nothing is read, decompressed or followed here.
//! <https://systemd.io/JOURNAL_FILE_FORMAT/>

/// What a journal's file begins with.
pub const SIGNATURE: &[u8; 8] = b"LPKSHHRH";
/// Bytes of the header that are looked at; every version has them.
pub const HEADER_BYTES: usize = 208;
/// What every object begins with: its type, flags and size.
pub const OBJECT_BYTES: usize = 16;
/// An entry without its items.
pub const ENTRY_BYTES: usize = 64;
/// systemd's own limit of the fields of an entry.
pub const FIELDS_MAX: usize = 1024;
/// A data object up to its payload, in the larger of both layouts.
pub const DATA_BYTES_MAX: usize = 72;
/// An array of entries without its items.
pub const ARRAY_BYTES: usize = 24;

const ONLINE: u8 = 1;
const ARCHIVED: u8 = 2;
const KEYED_HASH: u32 = 1 << 2;
const COMPACT: u32 = 1 << 4;
/// xz, LZ4, keyed hash, zstd, compact.
const KNOWN_FLAGS: u32 = (1 << 5) - 1;

/// What a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The layout with offsets of 32 bits.
    pub is_compact: bool,
    /// Hashes are of SipHash with the file's id as key, else Jenkins's.
    pub is_keyed: bool,
    /// journald has it open for writing, or was killed while it had.
    pub is_online: bool,
    /// Nothing is written to it any more.
    pub is_archived: bool,
    /// Tells the file from all others.
    pub file_id: [u8; 16],
    /// Tells whose numbers the entries bear.
    pub seqnum_id: [u8; 16],
    /// Where the first object stands.
    pub first_object: u64,
    /// Behind the last object.
    pub end: u64,
    /// Place and bytes of the items of the hash table of data.
    pub data_table: (u64, u64),
    /// The same of fields.
    pub field_table: (u64, u64),
    /// Where the last object stands.
    pub last_object: u64,
    /// Entries that are whole.
    pub entries: u64,
    /// The number of the first entry.
    pub first_seqnum: u64,
    /// The number of the last entry.
    pub last_seqnum: u64,
    /// The first array of entries.
    pub entry_array: u64,
    /// When the first and the last entry came, µs since the epoch.
    pub realtime: (u64, u64),
}

/// Why a header is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// It is no journal.
    NoJournal,
    /// It is too short, or its numbers cannot be.
    Damaged,
    /// A later systemd wrote it in a way that is not known: the flags that are not.
    Unknown(u32),
}

impl Header {
    /// Reads the first [`HEADER_BYTES`] of a file.
    pub fn parse(bytes: &[u8]) -> Result<Header, HeaderError> {
        if !bytes.starts_with(SIGNATURE) {
            return Err(HeaderError::NoJournal);
        }
        if bytes.len() < HEADER_BYTES {
            return Err(HeaderError::Damaged);
        }
        let flags = word(bytes, 12);
        if flags & !KNOWN_FLAGS != 0 {
            return Err(HeaderError::Unknown(flags & !KNOWN_FLAGS));
        }
        let first_object = long(bytes, 88);
        let end = first_object.checked_add(long(bytes, 96)).ok_or(HeaderError::Damaged)?;
        if first_object < HEADER_BYTES as u64 || !first_object.is_multiple_of(8) {
            return Err(HeaderError::Damaged);
        }
        Ok(Header {
            is_compact: flags & COMPACT != 0,
            is_keyed: flags & KEYED_HASH != 0,
            is_online: bytes[16] == ONLINE,
            is_archived: bytes[16] == ARCHIVED,
            file_id: id(bytes, 24),
            seqnum_id: id(bytes, 72),
            first_object,
            end,
            data_table: (long(bytes, 104), long(bytes, 112)),
            field_table: (long(bytes, 120), long(bytes, 128)),
            last_object: long(bytes, 136),
            entries: long(bytes, 152),
            first_seqnum: long(bytes, 168),
            last_seqnum: long(bytes, 160),
            entry_array: long(bytes, 176),
            realtime: (long(bytes, 184), long(bytes, 192)),
        })
    }

    /// Where the payload of a data object begins.
    pub fn payload_start(&self) -> usize {
        if self.is_compact { DATA_BYTES_MAX } else { 64 }
    }

    /// Bytes of an item of an array of entries.
    pub fn array_item_bytes(&self) -> usize {
        if self.is_compact { 4 } else { 8 }
    }

    /// Bytes of an item of an entry.
    pub fn entry_item_bytes(&self) -> usize {
        if self.is_compact { 4 } else { 16 }
    }

    /// The place that an item of an entry, or of an array of entries, tells.
    pub fn item(&self, bytes: &[u8]) -> u64 {
        if self.is_compact { u64::from(word(bytes, 0)) } else { long(bytes, 0) }
    }
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A field with its value, and which entries have it.
    Data,
    /// A field's name.
    Field,
    /// An entry: which data it has.
    Entry,
    /// Entries, in their order.
    EntryArray,
    /// A hash table, or a seal.
    Other,
}

/// What every object begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// How a payload is compressed.
    pub compression: Option<Compression>,
    /// Its bytes, these included.
    pub size: u64,
}

/// How a payload is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// A stream of xz.
    Xz,
    /// The size in 8 bytes, then a block of LZ4.
    Lz4,
    /// A frame of zstd.
    Zstd,
}

impl Object {
    /// Reads the first [`OBJECT_BYTES`]; `None` for what cannot be an object.
    pub fn parse(bytes: &[u8]) -> Option<Object> {
        if bytes.len() < OBJECT_BYTES || bytes[2..8] != [0; 6] {
            return None;
        }
        let kind = match bytes[0] {
            1 => Kind::Data,
            2 => Kind::Field,
            3 => Kind::Entry,
            6 => Kind::EntryArray,
            4 | 5 | 7 => Kind::Other,
            _ => return None,
        };
        let compression = match bytes[1] {
            0 => None,
            1 => Some(Compression::Xz),
            2 => Some(Compression::Lz4),
            4 => Some(Compression::Zstd),
            _ => return None,
        };
        let size = long(bytes, 8);
        let is_possible = size >= OBJECT_BYTES as u64 && (compression.is_none() || kind == Kind::Data);
        is_possible.then_some(Object { kind, compression, size })
    }
}

/// An entry without its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub seqnum: u64,
    /// When journald received it, µs since the epoch.
    pub realtime: u64,
    /// The same since the machine started.
    pub monotonic: u64,
    /// Which start of the machine.
    pub boot_id: [u8; 16],
    /// The hashes of its data, combined.
    pub xor_hash: u64,
}

impl Entry {
    /// Reads the first [`ENTRY_BYTES`].
    pub fn parse(bytes: &[u8]) -> Option<Entry> {
        (bytes.len() >= ENTRY_BYTES).then(|| Entry {
            seqnum: long(bytes, 16),
            realtime: long(bytes, 24),
            monotonic: long(bytes, 32),
            boot_id: id(bytes, 40),
            xor_hash: long(bytes, 56),
        })
    }
}

/// A data object without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data {
    /// The hash of its payload, as it is without compression.
    pub hash: u64,
    /// The next one with the same place in the hash table.
    pub next_of_hash: u64,
    /// The next one of the same field.
    pub next_of_field: u64,
    /// The first entry that has it.
    pub entry: u64,
    /// The others.
    pub entry_array: u64,
    /// How many entries have it.
    pub entries: u64,
}

impl Data {
    /// Reads what stands before the payload.
    pub fn parse(bytes: &[u8]) -> Option<Data> {
        (bytes.len() >= 64).then(|| Data {
            hash: long(bytes, 16),
            next_of_hash: long(bytes, 24),
            next_of_field: long(bytes, 32),
            entry: long(bytes, 40),
            entry_array: long(bytes, 48),
            entries: long(bytes, 56),
        })
    }
}

/// Of a field object: its hash, the next one with the same place in the hash table, and the first data of it.
pub fn field(bytes: &[u8]) -> Option<(u64, u64, u64)> {
    (bytes.len() >= 40).then(|| (long(bytes, 16), long(bytes, 24), long(bytes, 32)))
}

/// Where the name of a field begins in its object.
pub const FIELD_NAME: usize = 40;

/// The array that follows one of entries; 0 for none.
pub fn next_array(bytes: &[u8]) -> Option<u64> {
    (bytes.len() >= ARRAY_BYTES).then(|| long(bytes, 16))
}

/// The first object of an item of a hash table.
pub fn head_of_hash(bytes: &[u8]) -> Option<u64> {
    (bytes.len() >= 8).then(|| long(bytes, 0))
}

/// Where the value begins in `NAME=value`, behind the sign; `None` if that is no field.
///
/// name = 1*64( UPPER / DIGIT / "_" ), no digit first
pub fn value_start(payload: &[u8]) -> Option<usize> {
    let name = payload.iter().take(NAME_BYTES_MAX + 1);
    let length = name.take_while(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_')).count();
    let is_name = (1..=NAME_BYTES_MAX).contains(&length) && !payload[0].is_ascii_digit();
    (is_name && payload.get(length) == Some(&b'=')).then_some(length + 1)
}

/// journald's own limit of a name.
const NAME_BYTES_MAX: usize = 64;

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn id(bytes: &[u8], at: usize) -> [u8; 16] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default()
}

#[allow(clippy::unwrap_used)]
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(flags: u32) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes[..8].copy_from_slice(SIGNATURE);
        bytes[12..16].copy_from_slice(&flags.to_le_bytes());
        bytes[16] = 1;
        for (at, value) in [(88, 272_u64), (96, 8_000), (152, 7), (160, 70), (176, 999), (184, 5), (192, 6)] {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_header_tells_layout_and_places() {
        let parsed = Header::parse(&header(KEYED_HASH | COMPACT)).unwrap();
        assert!(parsed.is_compact && parsed.is_keyed && parsed.is_online);
        assert_eq!((parsed.first_object, parsed.end, parsed.entries, parsed.last_seqnum), (272, 8_272, 7, 70));
        assert_eq!((parsed.entry_array, parsed.realtime), (999, (5, 6)));
        assert_eq!(parsed.item(&[1, 0, 0, 0, 9, 0, 0, 0]), 1);
        assert_eq!(Header::parse(&header(0)).unwrap().item(&[1, 0, 0, 0, 9, 0, 0, 0]), 1 | 9 << 32);
        assert_eq!(Header::parse(&header(1 << 7)), Err(HeaderError::Unknown(1 << 7)));
        assert_eq!(Header::parse(&header(0)[..100]), Err(HeaderError::Damaged));
        assert_eq!(Header::parse(b"LPKSHHRX"), Err(HeaderError::NoJournal));
    }

    #[test]
    fn fields_have_names_in_capitals() {
        for (payload, start) in [
            (&b"MESSAGE=x=y"[..], Some(8)),
            (b"_PID=", Some(5)),
            (b"A", None),
            (b"=x", None),
            (b"9A=x", None),
            (b"a=x", None),
            (&[[b'A'; 64].as_slice(), b"="].concat(), Some(65)),
            (&[[b'A'; 65].as_slice(), b"="].concat(), None),
        ] {
            assert_eq!(value_start(payload), start, "{}", payload.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Header::parse(&[SIGNATURE.as_slice(), &bytes].concat());
            let _ = (Object::parse(&bytes), Entry::parse(&bytes), Data::parse(&bytes), field(&bytes));
            let _ = (next_array(&bytes), head_of_hash(&bytes), value_start(&bytes));
        }
    }
}
