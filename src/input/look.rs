//! The beginning of a file, read once: whether it is an archive, and what it tells of a log.
//!
//! In go files as they were found, out comes what one opening and one reading of each show. What cannot be read is met
//! again, and said, when the file is read.

use std::io::{self, Read};

use super::discover::FoundFile;
use super::names;
use super::sniff::{self, Content, SNIFF_BYTES, Sniffed};
use crate::unpack::{is_plain, unpacked};

/// A tar's blocks.
const BLOCK_BYTES: usize = 512;
/// Endings of archives, before which compression is undone to look.
const ENDINGS: [&str; 9] = [".tar", ".tgz", ".txz", ".tbz", ".tbz2", ".tzst", ".taz", ".tlz", ".tb2"];

/// How the members of an archive are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// As they are.
    Plain,
    /// All of it compressed.
    Compressed,
}

/// Looks at one file after another.
#[derive(Debug, Default)]
pub(super) struct Looker {
    /// The beginning as it is on disk.
    packed: Beginning,
    /// The same without its compression, if it has any.
    plain: Beginning,
}

impl Looker {
    /// Whether a file is an archive. If not, what it tells of a log is kept with it.
    pub(super) fn layout(&mut self, file: &mut FoundFile) -> Option<Layout> {
        let is_packed = self.read(file);
        if is_header(self.packed.bytes()) {
            return Some(Layout::Plain);
        }
        // What is compressed is taken for an archive only if its name, or that it was named, gives a reason.
        if is_packed && (file.named || is_named_as_archive(&file.shown)) && is_header(self.plain.bytes()) {
            return Some(Layout::Compressed);
        }
        let sniffed = self.sniff(file, is_packed);
        let is_read_so = !is_packed && !sniffed.is_journal;
        file.content = Some(&self.packed).filter(|_| is_read_so).and_then(Beginning::content);
        file.sniffed = Some(Box::new(sniffed));
        None
    }

    /// What a file tells of a log.
    pub(super) fn sniffed(&mut self, file: &mut FoundFile) -> Sniffed {
        if let Some(sniffed) = file.sniffed.take() {
            return *sniffed;
        }
        let is_packed = self.read(file);
        self.sniff(file, is_packed)
    }

    /// Reads its beginning; returns whether that is compressed.
    fn read(&mut self, file: &FoundFile) -> bool {
        self.packed.clear();
        let Ok(mut input) = file.open_packed(None) else { return false };
        self.packed.fill(&mut input);
        if is_plain(self.packed.bytes()) {
            return false;
        }
        self.plain.clear();
        if let Ok(mut input) = unpacked(io::Cursor::new(self.packed.bytes().to_vec()).chain(input)) {
            self.plain.fill(&mut input);
        }
        true
    }

    fn sniff(&self, file: &FoundFile, is_packed: bool) -> Sniffed {
        let head = if is_packed { &self.plain } else { &self.packed };
        sniff::sniff(head.bytes(), names::is_named_as_binary(file.name()), is_packed)
    }
}

/// As many bytes as are looked at. The room is used for one file after another.
#[derive(Debug, Default)]
struct Beginning {
    room: Vec<u8>,
    filled: usize,
    /// There is nothing behind it.
    is_all: bool,
}

impl Beginning {
    fn bytes(&self) -> &[u8] {
        &self.room[..self.filled]
    }

    fn content(&self) -> Option<Content> {
        self.is_all.then(|| Content::of(self.bytes()))
    }

    fn clear(&mut self) {
        (self.filled, self.is_all) = (0, false);
    }

    /// Reads up to an error.
    fn fill(&mut self, input: &mut dyn Read) {
        self.room.resize(SNIFF_BYTES, 0);
        while self.filled < self.room.len() {
            match input.read(&mut self.room[self.filled..]) {
                Ok(0) => {
                    self.is_all = true;
                    break;
                }
                Ok(got) => self.filled += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    }
}

/// A tar's header holds the sum of its own bytes.
fn is_header(start: &[u8]) -> bool {
    const SUM: std::ops::Range<usize> = 148..156;
    let Some((block, _)) = start.split_first_chunk::<BLOCK_BYTES>() else { return false };
    let value = |(at, byte): (usize, &u8)| u32::from(if SUM.contains(&at) { b' ' } else { *byte });
    // Most files have no number in its place.
    block[0] != 0
        && tar::Header::from_byte_slice(block)
            .cksum()
            .is_ok_and(|told| told == block.iter().enumerate().map(value).sum::<u32>())
}

/// Whether a file of this name is an archive, most likely.
pub(super) fn is_named_as_archive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ENDINGS.iter().any(|end| name.ends_with(end) || name.contains(&format!("{end}.")))
}
