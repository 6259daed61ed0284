//! The names by which what spanline itself made is known among spans and events.
//!
//! Plain data, and whether an attribute marks an event as spanline's. Nothing is read, sent or changed here.

/// The scope of everything that spanline itself makes.
pub const SCOPE: &str = "spanline";
/// How the link was found, in one attribute.
pub const LINK: &str = "spanline.link";
/// The same in three, the only form of earlier versions; all events had the first.
pub const LINK_METHOD: &str = "spanline.link.method";
/// The file's name.
pub const FILE: &str = "log.file.name";
/// The line's number in it.
pub const LINE: &str = "log.file.line";
/// The whole message, where the name does not hold it.
pub const MESSAGE: &str = "log.message";
/// Which span the line belongs to, where that is not the one that the event is on, or under.
pub const SPAN_ID: &str = "span.id";
/// That span's name.
pub const SPAN_NAME: &str = "span.name";
/// The pod that wrote the line.
pub const POD: &str = "k8s.pod.name";
/// Its container.
pub const CONTAINER: &str = "k8s.container.name";

/// A trace and a span of it.
pub type Ids = ([u8; 16], [u8; 8]);

/// Does an attribute of this key mark an event as spanline's? All events of earlier versions had the second.
pub fn is_mark(key: &[u8]) -> bool {
    key == LINK.as_bytes() || key == LINK_METHOD.as_bytes()
}
