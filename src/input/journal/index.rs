//! What a file's own index tells: which entries have a field with a value, and which values a field has.
//!
//! In go fields, out come places of entries. Where the index is damaged, nothing comes, and all entries are to be looked at.

use spanline_parsers::journal_file::{self as format, Data, Kind};
use spanline_parsers::journal_hash as hash;

use super::file::JournalFile;
use super::places::Arrays;
use super::query::{AllOf, Boot, JournalQuery};

/// Objects of one chain; a full table has a few.
const CHAIN_MAX: usize = 100_000;
/// Bytes of an item of a hash table.
const ITEM_BYTES: u64 = 16;
const BOOT_ID: &[u8] = b"_BOOT_ID";

/// Places of entries among which are all that a query wants, in their order. `None` where the index does not tell: nothing
/// is needed of entries, or it is damaged.
pub(super) fn candidates(file: &mut JournalFile, query: &JournalQuery) -> Option<Vec<u64>> {
    let mut best: Option<(u64, Vec<Data>)> = None;
    for any in query.needed() {
        let mut rarest = Vec::new();
        for all in any {
            rarest.extend(rarest_of(file, all)?);
        }
        let entries = rarest.iter().map(|data| data.entries).sum();
        if best.as_ref().is_none_or(|(fewest, _)| entries < *fewest) {
            best = Some((entries, rarest));
        }
    }
    let (_, data) = best?;
    let mut places = Vec::new();
    for data in data {
        entries(file, &data, &mut places)?;
    }
    places.sort_unstable();
    places.dedup();
    Some(places)
}

/// Of fields that an entry has together the one that the fewest have; `Some(None)` if no entry has one of them, `None` if the
/// index is damaged.
#[allow(clippy::option_option)]
fn rarest_of(file: &mut JournalFile, all: &AllOf) -> Option<Option<Data>> {
    let mut rarest: Option<Data> = None;
    for payload in all {
        match find(file, payload)? {
            None => return Some(None),
            Some(data) if rarest.is_none_or(|rarest| data.entries < rarest.entries) => rarest = Some(data),
            Some(_) => {}
        }
    }
    Some(rarest)
}

/// The data object with a payload.
#[allow(clippy::option_option)]
fn find(file: &mut JournalFile, payload: &[u8]) -> Option<Option<Data>> {
    let hash = hash_of(file, payload);
    let mut at = head(file, file.header.data_table, hash)?;
    for _ in 0..CHAIN_MAX {
        if at == 0 {
            return Some(None);
        }
        match file.data_with(at, payload, hash)? {
            Ok(data) => return Some(Some(data)),
            Err(next) => at = next,
        }
    }
    None
}

fn hash_of(file: &JournalFile, payload: &[u8]) -> u64 {
    if file.header.is_keyed { hash::keyed(&file.header.file_id, payload) } else { hash::jenkins(payload) }
}

/// The first object with a hash; 0 for none.
fn head(file: &mut JournalFile, (table, bytes): (u64, u64), hash: u64) -> Option<u64> {
    let items = bytes / ITEM_BYTES;
    if items == 0 {
        return None;
    }
    format::head_of_hash(file.bytes(table.checked_add(hash % items * ITEM_BYTES)?, ITEM_BYTES as usize)?)
}

/// Adds the places of the entries that have a data object.
fn entries(file: &mut JournalFile, data: &Data, places: &mut Vec<u64>) -> Option<()> {
    if data.entry != 0 {
        places.push(data.entry);
    }
    let mut arrays = Arrays::new(data.entry_array);
    while let Some(place) = arrays.next(file).ok()? {
        places.push(place);
    }
    Some(())
}

/// The boots whose entries a file has; none if its index is damaged.
pub(super) fn boots(file: &mut JournalFile) -> Vec<Boot> {
    let mut boots = Vec::new();
    let _ = boots_of(file, &mut boots);
    boots
}

fn boots_of(file: &mut JournalFile, boots: &mut Vec<Boot>) -> Option<()> {
    let hash = hash_of(file, BOOT_ID);
    let mut at = head(file, file.header.field_table, hash)?;
    let mut data = 0;
    for _ in 0..CHAIN_MAX {
        let object = file.object(at).filter(|object| object.kind == Kind::Field)?;
        let (of_name, next, head) = format::field(file.bytes(at, format::FIELD_NAME)?)?;
        let length = (object.size as usize).checked_sub(format::FIELD_NAME)?;
        if of_name == hash && file.bytes(at + format::FIELD_NAME as u64, length)? == BOOT_ID {
            data = head;
            break;
        }
        at = next;
    }
    for _ in 0..CHAIN_MAX {
        if data == 0 {
            break;
        }
        let object = file.object(data).filter(|object| object.kind == Kind::Data)?;
        let start = file.header.payload_start();
        let of_data = Data::parse(file.bytes(data, start)?)?;
        let length = (object.size as usize).checked_sub(start)?;
        let payload = file.bytes(data + start as u64, length)?;
        let hex = payload.get(BOOT_ID.len() + 1..).and_then(|hex| std::str::from_utf8(hex).ok());
        let id = hex.and_then(|hex| u128::from_str_radix(hex, 16).ok());
        if let (Some(id), Some(first)) = (id, file.entry(of_data.entry)) {
            boots.push(Boot { first_usec: first.entry.realtime, id: id.to_be_bytes() });
        }
        data = of_data.next_of_field;
    }
    Some(())
}
