//! Spans of any number, a stretch of time after the other.
//!
//! In go all requests of the traces once, in whatever order, out come the spans that are open in a stretch of time, for
//! stretches that follow each other. Requests lie in a temporary file in between, since more are given than the memory holds;
//! a request is found by when its spans are open. What the spans are wanted for is not known here.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

use super::load::SpanSink;
use super::scan::{self, Room};
use super::spool::Spool;
use crate::counts::around;
use crate::facts::{ResourceFact, SpanFact};
use crate::setting::Setting;

/// Bytes of a request on its way to the file.
const BUFFER_BYTES: usize = 1 << 18;

/// A request in the temporary file.
#[derive(Debug, Clone, Copy)]
struct Request {
    /// From when its first span begins to when its last one ends, ns since the epoch.
    range: (i64, i64),
    at: u64,
    length: u32,
    spans: u32,
}

/// Puts requests into a temporary file.
pub struct Spooling {
    spool: Spool,
    output: BufWriter<File>,
    at: u64,
    bytes_max: u64,
    requests: Vec<Request>,
    /// Of the current request.
    range: Option<(i64, i64)>,
    spans: u32,
    /// Why no more can be written.
    failure: Option<io::Error>,
}

impl Spooling {
    /// Into a file of at most so many bytes.
    pub fn new(bytes_max: u64) -> io::Result<Spooling> {
        let (spool, file) = Spool::create().map_err(named)?;
        let output = BufWriter::with_capacity(BUFFER_BYTES, file);
        let (requests, at, range, spans, failure) = Default::default();
        Ok(Spooling { spool, output, at, bytes_max, requests, range, spans, failure })
    }

    /// All requests were given.
    pub fn finish(mut self) -> io::Result<SpansByTime> {
        if let Some(error) = self.failure {
            return Err(named(error));
        }
        self.output.flush().map_err(named)?;
        self.requests.sort_by_key(|request| request.range);
        self.requests.shrink_to_fit();
        let file = File::open(self.spool.path())?;
        Ok(SpansByTime { _spool: self.spool, file, requests: self.requests, next: 0, open: Vec::new() })
    }

    fn put(&mut self, range: (i64, i64), spans: u32, request: &[u8]) -> io::Result<()> {
        let length = u32::try_from(request.len()).map_err(|_| io::Error::other("a request of more than 4 GiB"))?;
        if self.at + u64::from(length) > self.bytes_max {
            let why = format!("there are more spans than it may hold (raise {})", Setting::TemporaryBytesMax);
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, why));
        }
        self.output.write_all(request)?;
        self.requests.push(Request { range, at: self.at, length, spans });
        self.at += u64::from(length);
        Ok(())
    }
}

/// Nobody chose the file: without its purpose an error of it says nothing.
fn named(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("the temporary file for spans: {error}"))
}

impl SpanSink for Spooling {
    fn add(&mut self, _: &ResourceFact<'_>, span: &SpanFact<'_>) {
        self.range = around(self.range, Some((span.start, span.end)));
        self.spans = self.spans.saturating_add(1);
    }

    fn request_ends(&mut self, _: usize, _: u64, request: &[u8]) {
        let spans = std::mem::take(&mut self.spans);
        if let Some(range) = self.range.take()
            && self.failure.is_none()
        {
            self.failure = self.put(range, spans, request).err();
        }
    }

    fn is_full(&self) -> bool {
        self.failure.is_some()
    }
}

/// See the module.
#[derive(Debug)]
pub struct SpansByTime {
    /// Deleted with it.
    _spool: Spool,
    file: File,
    /// By their first span.
    requests: Vec<Request>,
    /// The first one that begins after the last stretch.
    next: usize,
    /// Those before it with spans that may still be open.
    open: Vec<usize>,
}

impl SpansByTime {
    /// Hands over the spans that begin no later than `to` and end no earlier than `from`. Neither goes back.
    pub fn each_between(
        &mut self,
        from: i64,
        to: i64,
        sink: &mut dyn FnMut(&ResourceFact<'_>, &SpanFact<'_>),
    ) -> io::Result<()> {
        let begun = self.requests[self.next..].partition_point(|request| request.range.0 <= to);
        self.open.extend(self.next..self.next + begun);
        self.next += begun;
        self.open.retain(|number| self.requests[*number].range.1 >= from);
        let (mut bytes, mut room) = (Vec::new(), Room::default());
        let mut is_wanted = |resource: &ResourceFact<'_>, span: &SpanFact<'_>| {
            if span.start <= to && span.end >= from {
                sink(resource, span);
            }
        };
        for number in &self.open {
            self.read(&self.requests[*number], &mut bytes)?;
            scan::for_each_fact(&bytes, &mut room, &mut is_wanted);
        }
        Ok(())
    }

    /// Begins anew with the first stretch.
    pub fn restart(&mut self) {
        self.next = 0;
        self.open.clear();
    }

    /// Hands over all spans in the order in which they were given.
    pub fn each(&self, sink: &mut dyn FnMut(&ResourceFact<'_>, &SpanFact<'_>)) -> io::Result<()> {
        let mut requests: Vec<&Request> = self.requests.iter().collect();
        requests.sort_unstable_by_key(|request| request.at);
        let (mut bytes, mut room) = (Vec::new(), Room::default());
        for request in requests {
            self.read(request, &mut bytes)?;
            scan::for_each_fact(&bytes, &mut room, sink);
        }
        Ok(())
    }

    fn read(&self, request: &Request, bytes: &mut Vec<u8>) -> io::Result<()> {
        bytes.resize(request.length as usize, 0);
        self.file.read_exact_at(bytes, request.at).map_err(named)
    }

    /// Up to when about so many further spans begin; [`i64::MAX`] where there are fewer. Not before `least`.
    pub fn up_to_spans(&self, spans: u64, least: i64) -> i64 {
        let mut sum = 0;
        let beyond = self.requests[self.next..].iter().find(|request| {
            sum += u64::from(request.spans);
            sum > spans && request.range.0 > least
        });
        beyond.map_or(i64::MAX, |request| request.range.0 - 1)
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    fn request(spans: &[(i64, i64, u8)]) -> Vec<u8> {
        let spans = spans.iter().map(|(start, end, id)| Span {
            trace_id: vec![9; 16],
            span_id: vec![*id; 8],
            start_time_unix_nano: *start as u64,
            end_time_unix_nano: *end as u64,
            ..Span::default()
        });
        let scope_spans = vec![ScopeSpans { spans: spans.collect(), ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }.encode_to_vec()
    }

    fn spooled(requests: &[Vec<(i64, i64, u8)>]) -> SpansByTime {
        let mut spooling = Spooling::new(1 << 20).unwrap();
        for (number, spans) in requests.iter().enumerate() {
            let bytes = request(spans);
            scan::for_each_fact(&bytes, &mut Room::default(), &mut |resource, span| spooling.add(resource, span));
            spooling.request_ends(0, number as u64, &bytes);
        }
        spooling.finish().unwrap()
    }

    #[test]
    fn more_than_there_is_room_for_is_an_error() {
        let mut spooling = Spooling::new(10).unwrap();
        let bytes = request(&[(1, 2, 1)]);
        scan::for_each_fact(&bytes, &mut Room::default(), &mut |resource, span| spooling.add(resource, span));
        spooling.request_ends(0, 0, &bytes);
        assert!(spooling.is_full());
        assert_eq!(spooling.finish().unwrap_err().kind(), io::ErrorKind::QuotaExceeded);
    }

    #[test]
    fn a_stretch_is_as_long_as_the_spans_that_there_is_room_for() {
        let all = spooled(&[vec![(10, 90, 1)], vec![(20, 30, 2), (25, 30, 3)], vec![(40, 50, 4)]]);
        assert_eq!([0, 1, 2, 3, 4].map(|spans| all.up_to_spans(spans, 0)), [9, 19, 19, 39, i64::MAX]);
        assert_eq!(all.up_to_spans(0, 20), 39);
    }

    proptest! {
        #[test]
        fn each_stretch_has_the_spans_that_are_open_in_it(
            spans in proptest::collection::vec(proptest::collection::vec((1i64..1000, 0i64..300, 1u8..255), 1..6), 1..20),
            mut cuts in proptest::collection::vec(1i64..1200, 1..6),
        ) {
            cuts.sort_unstable();
            let requests: Vec<Vec<(i64, i64, u8)>> = spans
                .iter()
                .map(|spans| spans.iter().map(|(start, long, id)| (*start, start + long, *id)).collect())
                .collect();
            let mut all = spooled(&requests);
            let mut from = i64::MIN;
            for to in &cuts {
                let mut got = Vec::new();
                all.each_between(from, *to, &mut |_, span| got.push((span.start, span.end, span.span_id[0]))).unwrap();
                let is_open = |span: &&(i64, i64, u8)| span.0 <= *to && span.1 >= from;
                let mut wanted: Vec<_> = requests.iter().flatten().filter(is_open).copied().collect();
                got.sort_unstable();
                wanted.sort_unstable();
                prop_assert_eq!(got, wanted);
                from = to - 100;
            }
        }
    }
}
