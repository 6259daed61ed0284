//! Which format of the user's own each origin of a source is in, and what was counted of it.
//!
//! In goes an origin, out comes its format, which is looked up once. Records are read in
//! [`custom_records`](super::custom_records).

use std::sync::Arc;

use regex::bytes::CaptureLocations;
use spanline_parsers::Format;

use super::origins::Origins;
use crate::calendar::Calendar;
use crate::line_rules::custom_format::{CustomFormat, CustomFormats, Read};

/// Formats of the user's own, for the sources of an assembler.
#[derive(Debug, Clone, Default)]
pub struct SourceFormats {
    /// All of them.
    pub all: Arc<CustomFormats>,
    /// The path that the source is shown under.
    pub file: Arc<str>,
}

/// What became of the records of one format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CustomCounts {
    /// Records that are in it.
    pub matched: u64,
    /// Of these, those whose time is none.
    pub bad_times: u64,
    /// Records that are not in it, and went as they are.
    pub unmatched: u64,
    /// Records that were too long to be looked at, and went as they are.
    pub too_long: u64,
}

impl CustomCounts {
    /// Adds another's.
    pub fn add(&mut self, other: &CustomCounts) {
        self.matched += other.matched;
        self.bad_times += other.bad_times;
        self.unmatched += other.unmatched;
        self.too_long += other.too_long;
    }

    /// What came since these.
    pub fn since(&self, before: &CustomCounts) -> CustomCounts {
        CustomCounts {
            matched: self.matched - before.matched,
            bad_times: self.bad_times - before.bad_times,
            unmatched: self.unmatched - before.unmatched,
            too_long: self.too_long - before.too_long,
        }
    }

    pub(super) fn count(&mut self, read: Read) {
        match read {
            Read::Matched => self.matched += 1,
            Read::BadTime => (self.matched, self.bad_times) = (self.matched + 1, self.bad_times + 1),
            Read::Unmatched => self.unmatched += 1,
            Read::TooLong => self.too_long += 1,
        }
    }
}

/// The formats of the origins of one source.
#[derive(Debug)]
pub(super) struct Custom {
    pub(super) formats: SourceFormats,
    /// By the number of the origin, as far as they were met.
    of_origins: Vec<Option<OfOrigin>>,
}

/// The format of an origin.
#[derive(Debug)]
pub(super) struct OfOrigin {
    /// Its place among all.
    pub(super) format: usize,
    /// Room for the places of its groups.
    pub(super) locations: Option<CaptureLocations>,
    /// Where it has a zone of its own.
    pub(super) calendar: Option<Calendar>,
}

impl Custom {
    pub(super) fn new(formats: SourceFormats) -> Custom {
        Custom { formats, of_origins: Vec::new() }
    }

    /// More is known of origins.
    pub(super) fn forget(&mut self) {
        self.of_origins.clear();
    }

    /// Whether there are any.
    #[inline]
    pub(super) fn is_any(&self) -> bool {
        !self.formats.all.all.is_empty()
    }

    pub(super) fn set_now(&mut self, now_nanos: i64) {
        self.of_origins.iter_mut().flatten().filter_map(|of| of.calendar.as_mut()).for_each(|it| it.set_now(now_nanos));
    }

    /// The calendar of a record: that of the format that it is in, if that has a zone of its own, else the other one.
    #[inline]
    pub(super) fn calendar<'s>(
        &'s mut self,
        format: Format,
        number: u32,
        origins: &Origins,
        others: &'s mut Calendar,
    ) -> &'s mut Calendar {
        if format != Format::Custom {
            return others;
        }
        // So that it is known.
        self.of(number, origins, others);
        let of = self.of_origins.get_mut(number as usize).and_then(Option::as_mut);
        of.and_then(|of| of.calendar.as_mut()).unwrap_or(others)
    }

    /// The format of an origin of this number, and what is kept of it.
    pub(super) fn of(
        &mut self,
        number: u32,
        origins: &Origins,
        calendar: &Calendar,
    ) -> Option<(&CustomFormat, &mut OfOrigin)> {
        let formats = &self.formats;
        while self.of_origins.len() <= number as usize {
            let origin = origins.get(self.of_origins.len() as u32);
            let of = formats.all.of(origin, &formats.file).map(|at| {
                let format = &formats.all.all[at];
                let locations = format.record.as_ref().map(|record| record.locations());
                OfOrigin { format: at, locations, calendar: format.zone.map(|zone| calendar.with_zone(zone)) }
            });
            self.of_origins.push(of);
        }
        let of = self.of_origins.get_mut(number as usize)?.as_mut()?;
        Some((&formats.all.all[of.format], of))
    }
}
