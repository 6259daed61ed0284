//! Who writes records: the resource that they are sent under, and what their ids are made of.
//!
//! In go the origin and stream of records, out come the encoded resource and the maker of ids. A writer is a stream of a
//! container, or a program in a journal.

use bytes::Bytes;

use super::encode;
use super::uid::Uids;
use crate::record::{Origin, Stream};

/// A writer of records.
#[derive(Debug)]
pub struct Writer {
    /// Address of its origin, which lives as long as its source is read: cheaper to compare than what it holds.
    origin: usize,
    stream: Stream,
    /// Its resource, as a field of a request.
    pub resource: Bytes,
    /// Makes the ids of its records.
    pub uids: Uids,
}

impl Writer {
    /// The writer of an origin and stream in a source, whose name it has where it is alone in it.
    pub fn new(source: &str, origin: &Origin, stream: Stream) -> Writer {
        let host = || origin.host.as_deref().unwrap_or_default();
        let name = match &origin.unit {
            Some(unit) => format!("{}/{unit}", host()),
            None if origin.pod.is_none() && origin.host.is_some() => format!("{}/{}", host(), origin.service_name),
            None => source.to_owned(),
        };
        Writer {
            origin: std::ptr::from_ref(origin) as usize,
            stream,
            resource: encode::resource_field(origin).into(),
            uids: Uids::new(&format!("{name}/{stream:?}")),
        }
    }

    /// Whether it wrote what has this origin, which lies where its own does, and stream.
    #[inline]
    pub fn is(&self, origin: &Origin, stream: Stream) -> bool {
        self.origin == std::ptr::from_ref(origin) as usize && self.stream == stream
    }
}
