//! Which keys loggers give to the time, the level and the message, and how sure each is.
//!
//! In goes a key, out comes its [`Role`], found by one look into a table.

use crate::entry::key_mix;

/// What a key may stand for. The number is its rank: of several the lowest is taken, of equal ones the first.
#[derive(Clone, Copy)]
pub(super) enum Role {
    Time(u8),
    Level(u8),
    Message(u8),
    /// An object that may hold the level: ECS' `log`.
    Log,
    /// An object that may hold the message: `fields` of Rust's tracing-subscriber.
    Fields,
    /// `dir/file.go:12`, or slog's object.
    Code,
    /// MongoDB's level.
    Mongo,
    /// The severity by OpenTelemetry's numbers.
    Severity,
    /// The message beside such a severity.
    Body,
    /// A Kubernetes object's version; audit events are told by it.
    ApiVersion,
    Plain,
}

/// zap, logrus, slog, pino, bunyan, zerolog, klog, Serilog, logstash, ECS, .NET, Spring Boot, Google Cloud, Python's
/// json loggers and structlog, log4j2, hclog, GELF, Monolog, log15, MongoDB, OpenTelemetry's data model, Kubernetes audit
const ROLES: [(&[u8], Role); 56] = [
    (b"ts", Role::Time(1)),
    (b"@t", Role::Time(1)),
    (b"time", Role::Time(1)),
    (b"instant", Role::Time(1)),
    (b"timestamp", Role::Time(1)),
    (b"Timestamp", Role::Time(1)),
    (b"@timestamp", Role::Time(1)),
    (b"t", Role::Time(2)),
    (b"Time", Role::Time(2)),
    (b"asctime", Role::Time(2)),
    (b"datetime", Role::Time(2)),
    (b"timeMillis", Role::Time(2)),
    (b"stageTimestamp", Role::Time(2)),
    (b"timeUnixNano", Role::Time(2)),
    (b"date", Role::Time(3)),
    (b"time_iso8601", Role::Time(3)),
    (b"requestReceivedTimestamp", Role::Time(3)),
    (b"@l", Role::Level(1)),
    (b"lvl", Role::Level(1)),
    (b"level", Role::Level(1)),
    (b"Level", Role::Level(1)),
    (b"@level", Role::Level(1)),
    (b"severity", Role::Level(1)),
    (b"LogLevel", Role::Level(1)),
    (b"levelname", Role::Level(1)),
    (b"log.level", Role::Level(1)),
    (b"logLevel", Role::Level(2)),
    (b"loglevel", Role::Level(2)),
    (b"log_level", Role::Level(2)),
    (b"level_name", Role::Level(2)),
    (b"severity_text", Role::Level(2)),
    (b"severityText", Role::Level(1)),
    (b"SeverityText", Role::Level(1)),
    (b"severityNumber", Role::Severity),
    (b"SeverityNumber", Role::Severity),
    (b"severity_number", Role::Severity),
    (b"_level_name", Role::Level(2)),
    (b"msg", Role::Message(1)),
    (b"@m", Role::Message(2)),
    (b"message", Role::Message(2)),
    (b"Message", Role::Message(2)),
    (b"@message", Role::Message(2)),
    (b"RenderedMessage", Role::Message(2)),
    (b"@mt", Role::Message(3)),
    (b"event", Role::Message(3)),
    (b"MessageTemplate", Role::Message(3)),
    (b"short_message", Role::Message(3)),
    (b"body", Role::Body),
    (b"Body", Role::Body),
    (b"log", Role::Log),
    (b"fields", Role::Fields),
    (b"file", Role::Code),
    (b"caller", Role::Code),
    (b"source", Role::Code),
    (b"s", Role::Mongo),
    (b"apiVersion", Role::ApiVersion),
];

/// At the place of a name its number in [`ROLES`], counted from 1; 0 where no name has its place.
const PLACES: [u8; 1 << PLACE_BITS] = {
    let mut places = [0; 1 << PLACE_BITS];
    let mut at = 0;
    while at < ROLES.len() {
        let place = place(ROLES[at].0);
        assert!(places[place] == 0, "two names have one place: another factor is needed");
        places[place] = at as u8 + 1;
        at += 1;
    }
    places
};

const PLACE_BITS: u32 = 10;

/// A place for every key, by its length and its first and last bytes. No two of the names have the same.
#[inline(always)]
const fn place(key: &[u8]) -> usize {
    (key_mix(key).wrapping_mul(FACTOR) >> (u32::BITS - PLACE_BITS)) as usize
}

const FACTOR: u32 = 0xb0c1_1fdf;

#[inline(always)]
pub(super) fn role(key: &[u8]) -> Role {
    match PLACES[place(key)] {
        0 => Role::Plain,
        number => {
            let (name, role) = ROLES[usize::from(number) - 1];
            if name == key { role } else { Role::Plain }
        }
    }
}
