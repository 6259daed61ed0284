//! The words of a server: what they say about size, load and compression, and how they are shown.
//!
//! In go texts of any origin, out come yes or no, or one printable line. Codes decide first; the words only where a code
//! stands for several causes, as RESOURCE_EXHAUSTED does.

/// A server's text is shown on one line of a terminal or two.
const SHOWN_CHARS_MAX: usize = 300;

/// What servers say of a request that is too large. grpc-go, C-core, grpc-js: "received message larger than max (5 vs. 4)";
/// Java: "gRPC message exceeds maximum size 4"; .NET: "exceeds the maximum configured message size"; tonic: "decoded message
/// length too large"; Go's net/http: "http: request body too large"; nginx: "Request Entity Too Large".
const OF_SIZE: [&str; 14] = [
    "larger than max",
    "larger than the max",
    "larger than limit",
    "larger than the limit",
    "too large",
    "too big",
    "message size",
    "message length",
    "body size",
    "request size",
    "payload size",
    "batch size",
    "maximum size",
    "max size",
];

/// What they say of load: with one of these, a word of size is about something else ("queue size", "bytes per second").
const OF_LOAD: [&str; 18] = [
    "rate",
    "quota",
    "queue",
    "memory",
    "throttl",
    "per second",
    "per minute",
    "/s",
    "too many",
    "concurren",
    "pressure",
    "busy",
    "overload",
    "capacity",
    "in flight",
    "inflight",
    "ingest",
    "slow down",
];

/// What they say of a compression that they lack. grpc-go: "Decompressor is not installed for grpc-encoding"; Java: "Can't
/// find decompressor for zstd"; tonic: "Content is compressed with `zstd` which isn't supported"; .NET: "Unsupported
/// grpc-encoding value"; the Collector: "unsupported \"Content-Encoding\"".
const OF_COMPRESSION: [&str; 7] =
    ["grpc-encoding", "content-encoding", "compress", "unsupported encoding", "unknown encoding", "gzip", "zstd"];

/// Whether the text calls the request too large, and does not speak of load.
pub(super) fn is_about_size(text: &str) -> bool {
    holds(text, &OF_SIZE) && !holds(text, &OF_LOAD)
}

/// Whether the text is about how the request is compressed. "After decompression larger than max" is not.
pub(super) fn is_about_compression(text: &str) -> bool {
    holds(text, &OF_COMPRESSION) && !holds(text, &OF_SIZE)
}

fn holds(text: &str, phrases: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    phrases.iter().any(|phrase| text.contains(phrase))
}

/// The text as one line without what moves a cursor, colours, hides or turns text around; cut where it is long.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::new();
    let (mut chars, mut gap) = (0, false);
    for character in console::strip_ansi_codes(text).chars() {
        if character.is_whitespace() {
            gap = chars > 0;
            continue;
        }
        if character.is_control() || is_invisible(character) {
            continue;
        }
        if chars >= SHOWN_CHARS_MAX {
            shown.push('…');
            break;
        }
        if std::mem::take(&mut gap) {
            shown.push(' ');
            chars += 1;
        }
        shown.push(character);
        chars += 1;
    }
    shown
}

/// Zero-width characters, marks and overrides of direction, and tags: text that is not what it looks like.
fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_size_are_told_from_those_of_load() {
        for size in [
            "grpc: received message larger than max (5242880 vs. 4194304)",
            "grpc: received message after decompression larger than max (5 vs. 4)",
            "gRPC message exceeds maximum size 4194304: 5000000",
            "Received message exceeds the maximum configured message size.",
            "Error, decoded message length too large: found 5000000 bytes, the limit is: 4194304 bytes",
            "http: request body too large",
            "Request Entity Too Large",
        ] {
            assert!(is_about_size(size), "{size}");
            assert!(!is_about_compression(size), "{size}");
        }
        for load in [
            "data refused due to high memory usage",
            "sending queue is full",
            "max queue size reached",
            "rate limit of 4194304 bytes per second exceeded: too large a burst",
            "Ingestion rate limit exceeded (limit: 4194304 bytes/sec) while attempting to ingest '5' lines",
            "too many requests",
            "quota exceeded",
            "",
        ] {
            assert!(!is_about_size(load), "{load}");
        }
    }

    #[test]
    fn a_lack_of_compression_is_heard_from_each_implementation() {
        for lacking in [
            "grpc: Decompressor is not installed for grpc-encoding \"zstd\"",
            "Can't find decompressor for zstd",
            "Content is compressed with `gzip` which isn't supported",
            "Unsupported grpc-encoding value 'zstd'. Supported encodings: gzip",
            "unsupported \"Content-Encoding\": zstd",
        ] {
            assert!(is_about_compression(lacking), "{lacking}");
        }
        assert!(!is_about_compression("wrong record"));
    }

    #[test]
    fn a_servers_text_is_one_line_that_moves_nothing() {
        let hostile =
            "\x1b[2J\x1b]0;title\x07red \x1b[31mfox\x1b[0m\r\n\tand\u{202e}evil\u{9b}3m\u{7f}\0 \u{2028} end\n";
        let shown = printable(hostile);
        assert!(!shown.chars().any(|c| c.is_control() || is_invisible(c)), "{shown:?}");
        assert!(shown.contains("red fox and") && shown.ends_with("end"), "{shown:?}");
        let long = printable(&"ä ".repeat(5000));
        assert!(long.chars().count() <= SHOWN_CHARS_MAX + 2 && long.ends_with('…'));
    }
}
