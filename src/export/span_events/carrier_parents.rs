//! The spans that carriers are put under, with their resources, in order of their ids.
//!
//! In go requests of spans and which of them are wanted, out comes one span after the other as it is looked for, in order of
//! trace and span. Which span takes a line is not decided here.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::span_batches::empty_group;
use crate::export::batch::Group;
use crate::files::external_sort::{InOrder, Sorted, Sorter};
use crate::otlp::own::Ids;
use crate::otlp::wire::spans::{Head, SpanAt, within};
use crate::otlp::wire::write::Buffer;

/// A span that lines are put under.
#[derive(Debug)]
pub struct Parent {
    /// ns since the epoch.
    pub start: u64,
    /// ns since the epoch.
    pub end: u64,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub resource: Arc<Resource>,
}

/// Whose spans these are.
#[derive(Debug)]
pub struct Resource {
    /// Without spans.
    pub group: Group,
    /// The content of the message.
    pub message: Vec<u8>,
}

/// Bytes of the ids, with which a row begins: `ids start end resource name`.
const IDS_BYTES: usize = 24;

/// Takes the spans that are wanted.
#[derive(Debug)]
pub(super) struct ParentSpans {
    state: RandomState,
    /// Hashes of the ids of those that are wanted; another span that has the same hash does no harm.
    wanted: HashSet<u64>,
    rows: Sorter,
    resources: Vec<Arc<Resource>>,
    /// By their messages without spans.
    numbers: HashMap<Bytes, u32>,
    /// Of the group of the last span.
    last: Option<(*const u8, u32)>,
}

impl ParentSpans {
    /// Holds about so many bytes of them in memory.
    pub(super) fn new(memory_max: usize) -> ParentSpans {
        ParentSpans {
            state: RandomState::new(),
            wanted: HashSet::new(),
            rows: Sorter::new(memory_max, by_ids),
            resources: Vec::new(),
            numbers: HashMap::new(),
            last: None,
        }
    }

    /// A span is looked for later.
    pub(super) fn want(&mut self, ids: &Ids) {
        self.wanted.insert(self.state.hash_one(ids));
    }

    /// None is looked for.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Another request begins.
    pub(super) fn request_begins(&mut self) {
        self.last = None;
    }

    /// Takes a span of the current request, if it is wanted.
    pub(super) fn add(&mut self, ids: &Ids, at: &SpanAt<'_>) -> io::Result<()> {
        if !self.wanted.contains(&self.state.hash_one(ids)) {
            return Ok(());
        }
        let resource = match self.last {
            Some((group, number)) if group == at.group.as_ptr() => number,
            _ => self.number_of(at.group),
        };
        self.last = Some((at.group.as_ptr(), resource));
        let head = Head::of(at.span);
        let (start, end) = (head.start.to_le_bytes(), head.end.to_le_bytes());
        self.rows.push(&[&ids.0, &ids.1, &start, &end, &resource.to_le_bytes(), head.name])
    }

    fn number_of(&mut self, group: &[u8]) -> u32 {
        // Its own bytes: those of all spans are not kept for it.
        let mut others = Buffer::default();
        others.put(group);
        others.remove_fields(0, 2);
        let others = Bytes::from(others.into_written());
        if let Some(number) = self.numbers.get(&others) {
            return *number;
        }
        let message = within(&others, 1).last().unwrap_or_default().to_vec();
        let number = self.resources.len() as u32;
        self.resources.push(Arc::new(Resource { group: empty_group(&others, &others), message }));
        self.numbers.insert(others, number);
        number
    }

    /// All spans were given.
    pub(super) fn finish(self) -> io::Result<Parents> {
        Ok(Parents { rows: self.rows.finish()?, resources: self.resources })
    }
}

fn by_ids(one: &[u8], other: &[u8]) -> Ordering {
    one[..IDS_BYTES].cmp(&other[..IDS_BYTES])
}

/// All that are wanted.
#[derive(Debug)]
pub(super) struct Parents {
    rows: Sorted,
    resources: Vec<Arc<Resource>>,
}

impl Parents {
    /// Before the first one.
    pub(super) fn read(&self) -> io::Result<ParentsInOrder<'_>> {
        let mut rows = self.rows.read()?;
        let next = rows.next()?.map(<[u8]>::to_vec);
        Ok(ParentsInOrder { rows, next, resources: &self.resources })
    }
}

/// Goes through them.
pub(super) struct ParentsInOrder<'p> {
    rows: InOrder<'p>,
    /// The first that was not passed.
    next: Option<Vec<u8>>,
    resources: &'p [Arc<Resource>],
}

impl ParentsInOrder<'_> {
    /// The span of these ids, which are not before those that were looked for last. Of several the last counts.
    pub(super) fn find(&mut self, ids: &Ids) -> io::Result<Option<Parent>> {
        let (wanted, mut found) = ([&ids.0[..], &ids.1].concat(), None);
        while let Some(row) = &mut self.next {
            match row[..IDS_BYTES].cmp(&wanted) {
                Ordering::Greater => break,
                Ordering::Equal => found = parent(&row[IDS_BYTES..], self.resources),
                Ordering::Less => {}
            }
            match self.rows.next()? {
                Some(next) => {
                    row.clear();
                    row.extend_from_slice(next);
                }
                None => self.next = None,
            }
        }
        Ok(found)
    }
}

fn parent(row: &[u8], resources: &[Arc<Resource>]) -> Option<Parent> {
    let (start, rest) = row.split_first_chunk()?;
    let (end, rest) = rest.split_first_chunk()?;
    let (resource, name) = rest.split_first_chunk()?;
    Some(Parent {
        start: u64::from_le_bytes(*start),
        end: u64::from_le_bytes(*end),
        name: String::from_utf8_lossy(name).into_owned(),
        resource: resources.get(u32::from_le_bytes(*resource) as usize)?.clone(),
    })
}
