//! One file of a journal: its objects, and entries put together from them.
//!
//! In go places, out come objects, and frames of entries. Every number from the file is checked before it is followed. In which
//! order entries are read is not decided here.

use std::io;

use spanline_parsers::journal::Place;
use spanline_parsers::journal_file::{
    self as format, Data, ENTRY_BYTES, Entry, FIELDS_MAX, HEADER_BYTES, Header, HeaderError, Kind, OBJECT_BYTES, Object,
};
use spanline_parsers::journal_frames as frames;

use super::payload::{Decompressor, FIELD_BYTES_MAX, Shared};
use super::windows::Windows;
use crate::files::section::Section;

/// The longest entry; fields beyond that are left out.
const FRAME_BYTES_MAX: usize = 16 << 20;
/// What an entry has for the start of the machine, where a field of it does not say it.
const BOOT_ID: &[u8] = b"_BOOT_ID=";

/// One file of a journal.
pub(super) struct JournalFile {
    /// What it says of itself.
    pub(super) header: Header,
    windows: Windows,
    shared: Shared,
    decompressor: Decompressor,
    items: Vec<u64>,
}

/// What a file says of itself.
pub(super) fn header(section: &Section) -> io::Result<Header> {
    let mut head = [0; HEADER_BYTES];
    let got = section.read_at(&mut head, 0)?;
    Header::parse(&head[..got]).map_err(|error| {
        io::Error::other(match error {
            HeaderError::NoJournal => "is no systemd journal".to_owned(),
            HeaderError::Damaged => "is a systemd journal whose header is damaged: nothing of it was read".to_owned(),
            HeaderError::Unknown(flags) => {
                format!("is a systemd journal of a later version (flags {flags:#x}), which is not read")
            }
        })
    })
}

/// The start of the machine as a field.
fn boot_field(id: [u8; 16]) -> [u8; BOOT_ID.len() + 32] {
    let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
    let mut field = [0; BOOT_ID.len() + 32];
    field[..BOOT_ID.len()].copy_from_slice(BOOT_ID);
    for (pair, byte) in field[BOOT_ID.len()..].chunks_exact_mut(2).zip(id) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    field
}

/// An entry, and where the next object stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct EntryAt {
    pub(super) entry: Entry,
    pub(super) end: u64,
}

impl JournalFile {
    /// Reads its header.
    pub(super) fn open(section: Section) -> io::Result<JournalFile> {
        let header = header(&section)?;
        let (shared, decompressor) = (Shared::default(), Decompressor::default());
        Ok(JournalFile { header, windows: Windows::new(section), shared, decompressor, items: Vec::new() })
    }

    /// Reads its header anew, and forgets what else may have changed.
    pub(super) fn refresh(&mut self, section: &Section) -> io::Result<()> {
        self.header = header(section)?;
        self.grow()
    }

    /// Looks at how long it is by now, and forgets what was read of it.
    pub(super) fn grow(&mut self) -> io::Result<()> {
        self.windows.refresh()
    }

    /// Behind the last byte that may be an object's.
    pub(super) fn end(&self) -> u64 {
        self.header.end.min(self.windows.length())
    }

    /// Bytes that were read of it.
    pub(super) fn bytes_read(&self) -> u64 {
        self.windows.bytes_read()
    }

    /// What the system said when it refused to read, once.
    pub(super) fn take_error(&mut self) -> Option<io::Error> {
        self.windows.take_error()
    }

    /// So many bytes at a place; `None` if they are not there.
    pub(super) fn bytes(&mut self, at: u64, length: usize) -> Option<&[u8]> {
        self.windows.bytes(at, length)
    }

    /// The object at a place; `None` if there cannot be one.
    pub(super) fn object(&mut self, at: u64) -> Option<Object> {
        if !at.is_multiple_of(8) || at < self.header.first_object {
            return None;
        }
        let object = Object::parse(self.bytes(at, OBJECT_BYTES)?)?;
        (at.checked_add(object.size)? <= self.windows.length()).then_some(object)
    }

    /// The entry at a place, without its fields.
    pub(super) fn entry(&mut self, at: u64) -> Option<EntryAt> {
        let object = self.object(at)?;
        let items = object.size.checked_sub(ENTRY_BYTES as u64)?;
        let item_bytes = self.header.entry_item_bytes() as u64;
        let is_entry = object.kind == Kind::Entry && items <= FIELDS_MAX as u64 * item_bytes;
        if !is_entry || !items.is_multiple_of(item_bytes) {
            return None;
        }
        let entry = Entry::parse(self.bytes(at, ENTRY_BYTES)?)?;
        Some(EntryAt { entry, end: (at + object.size).next_multiple_of(8) })
    }

    /// Writes the frame of the entry at a place; how many of its fields could not be read. `None` if it could not be.
    pub(super) fn frame(&mut self, at: u64, found: &EntryAt, out: &mut Vec<u8>) -> Option<u64> {
        let object = self.object(at)?;
        let mut items = std::mem::take(&mut self.items);
        items.clear();
        let (item_bytes, header) = (self.header.entry_item_bytes(), self.header);
        let bytes = self.bytes(at, object.size as usize)?;
        items.extend(bytes[ENTRY_BYTES..].chunks_exact(item_bytes).map(|item| header.item(item)));
        let Entry { seqnum, realtime, monotonic, boot_id, xor_hash } = found.entry;
        let place = Place {
            seqnum,
            seqnum_id: header.seqnum_id,
            realtime_usec: realtime,
            monotonic_usec: monotonic,
            boot_id,
            xor_hash,
        };
        let start = out.len();
        frames::begin(&place, out);
        let (mut lost, mut has_boot) = (0, false);
        for data in &items {
            match self.field(*data, start + FRAME_BYTES_MAX, out) {
                Some(is_boot) => has_boot |= is_boot,
                None => lost += 1,
            }
        }
        if !has_boot {
            frames::field(&boot_field(boot_id), BOOT_ID.len(), out);
        }
        frames::end(start, out);
        self.items = items;
        Some(lost)
    }

    /// Adds a field to a frame that may be so long; whether it tells the start of the machine. `None` if it could not be read.
    #[inline]
    fn field(&mut self, at: u64, end_max: usize, out: &mut Vec<u8>) -> Option<bool> {
        if let Some((payload, value)) = self.shared.get(at) {
            if out.len() + payload.len() > end_max {
                return None;
            }
            frames::field(payload, value, out);
            return Some(payload.starts_with(BOOT_ID));
        }
        let object = self.object(at)?;
        let (data, length) = self.data(at, &object)?;
        let start = at + self.header.payload_start() as u64;
        let JournalFile { windows, decompressor, shared, .. } = self;
        let stored = windows.bytes(start, length)?;
        let payload = match object.compression {
            None => stored,
            Some(compression) => decompressor.plain(compression, stored)?,
        };
        let value = format::value_start(payload)?;
        if out.len() + payload.len() > end_max {
            return None;
        }
        frames::field(payload, value, out);
        if data.entries > 1 {
            shared.keep(at, payload, value);
        }
        Some(payload.starts_with(BOOT_ID))
    }

    /// A data object without its payload, and the bytes of that as it is stored.
    fn data(&mut self, at: u64, object: &Object) -> Option<(Data, usize)> {
        let head = self.header.payload_start();
        let length = usize::try_from(object.size).ok()?.checked_sub(head)?;
        if object.kind != Kind::Data || length > FIELD_BYTES_MAX {
            return None;
        }
        Some((Data::parse(self.bytes(at, head)?)?, length))
    }

    /// The data object at a place, if its payload is this one, or else the one that follows in the hash table.
    pub(super) fn data_with(&mut self, at: u64, payload: &[u8], hash: u64) -> Option<Result<Data, u64>> {
        let object = self.object(at)?;
        let (data, length) = self.data(at, &object)?;
        if data.hash != hash {
            return Some(Err(data.next_of_hash));
        }
        let start = at + self.header.payload_start() as u64;
        let JournalFile { windows, decompressor, .. } = self;
        let stored = windows.bytes(start, length)?;
        let found = match object.compression {
            None => stored,
            Some(compression) => decompressor.plain(compression, stored)?,
        };
        Some(if found == payload { Ok(data) } else { Err(data.next_of_hash) })
    }
}
