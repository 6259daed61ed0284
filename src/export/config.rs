//! How records look where they go: text for people, and events on spans.

use super::formats::terminal::Style;
use super::formats::text_fields::Fields;
use super::span_events::event::Style as EventStyle;

/// How text is arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// Each trace with its lines, then the lines of none.
    Trace,
    /// All lines by time.
    Time,
}

/// What text shows.
#[derive(Debug, Clone, Copy)]
pub struct TextConfig {
    /// How it is arranged.
    pub view: View,
    /// Which fields of a record.
    pub fields: Fields,
    /// Each row with its file and line.
    pub places: bool,
    /// Traces without lines too.
    pub all_traces: bool,
    /// Colour and width.
    pub style: Style,
}

/// What the small spans that carry lines hang under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carriers {
    /// The span of the line.
    Span,
    /// The topmost span of its service in the trace.
    Service,
    /// The root of the trace.
    Trace,
}

/// How lines become events of spans.
#[derive(Debug, Clone, Copy)]
pub struct EventsConfig {
    /// They go onto small child spans made for them, instead of onto their spans.
    pub on_carriers: bool,
    /// What these hang under.
    pub carriers: Carriers,
    /// What an event says.
    pub style: EventStyle,
    /// Bytes of events that are held in memory, of all destinations.
    pub memory_bytes: usize,
    /// Bytes of events of a destination in all; what the memory does not hold lies in a temporary file.
    pub bytes_max: u64,
}
