//! When an event of a span and a line of a log are the same thing.
//!
//! In go the parts that a program's hook copies into the event (request id and message, or target, line and message, or
//! the message alone), out comes one number for both sides. Times are compared by whoever looks the number up.

use memchr::memchr;
use twox_hash::XxHash64;

/// Numbers for identities. The seed is drawn at random, so that nobody can prepare names that collide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdentityHasher {
    seed: u64,
}

impl IdentityHasher {
    pub(crate) fn new(seed: u64) -> IdentityHasher {
        IdentityHasher { seed }
    }

    /// The hook of CRI-O: request id and message.
    /// <https://github.com/uptrace/opentelemetry-go-extra/tree/main/otellogrus>
    pub(crate) fn of_request_line(&self, id: &[u8], message: &[u8]) -> u64 {
        mix(self.of_filtered(message), self.hash(1, id))
    }

    /// The hook of containerd: the message, at the same time to the nanosecond.
    pub(crate) fn of_message(&self, message: &[u8]) -> u64 {
        self.hash(2, message)
    }

    /// tracing-opentelemetry in conmon-rs: target, line of the source, message.
    pub(crate) fn of_site(&self, target: &[u8], line: u32, message: &[u8]) -> u64 {
        mix(mix(self.hash(3, message), self.hash(4, target)), u64::from(line) + 1)
    }

    /// A request id, an audit id, a container's id: `kind` tells them apart.
    pub(crate) fn of_key(&self, kind: u64, value: &[u8]) -> u64 {
        self.hash(16 + kind, value)
    }

    fn hash(&self, salt: u64, bytes: &[u8]) -> u64 {
        XxHash64::oneshot(self.seed.wrapping_add(salt), bytes)
    }

    /// CRI-O's debug filter replaces `\[[\d\s]+\]` by `[FILTERED]` in its text, not in its events: both sides are hashed
    /// as if it had.
    /// <https://github.com/cri-o/cri-o/blob/main/internal/log/hook_filter.go>
    fn of_filtered(&self, message: &[u8]) -> u64 {
        let Some((before, after)) = next_digits_in_brackets(message) else { return self.hash(0, message) };
        let mut text = Vec::with_capacity(message.len());
        text.extend_from_slice(before);
        text.extend_from_slice(b"[FILTERED]");
        let mut rest = after;
        while let Some((before, after)) = next_digits_in_brackets(rest) {
            text.extend_from_slice(before);
            text.extend_from_slice(b"[FILTERED]");
            rest = after;
        }
        text.extend_from_slice(rest);
        self.hash(0, &text)
    }
}

fn mix(a: u64, b: u64) -> u64 {
    (a ^ b.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29) ^ b
}

/// filtered = "[" 1*( DIGIT / HTAB / LF / FF / CR / SP ) "]"      ; what stands before and after it
fn next_digits_in_brackets(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    while let Some(at) = memchr(b'[', &text[from..]) {
        let open = from + at;
        let inside = text[open + 1..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'\t' | b'\n' | 0x0c | b'\r' | b' '))
            .count();
        let close = open + 1 + inside;
        if inside > 0 && text.get(close) == Some(&b']') {
            return Some((&text[..open], &text[close + 1..]));
        }
        from = close;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_brackets_are_equal_to_their_filtered_form() {
        let hasher = IdentityHasher::new(7);
        let same = |a: &str, b: &str| {
            hasher.of_request_line(b"id", a.as_bytes()) == hasher.of_request_line(b"id", b.as_bytes())
        };
        assert!(same("gids [0 10 20] set", "gids [FILTERED] set"));
        assert!(same("[1][ 2\t3]x[", "[FILTERED][FILTERED]x["));
        assert!(same("a [[12]", "a [[FILTERED]"));
        assert!(!same("a [1x]", "a [FILTERED]"));
        assert!(!same("a []", "a [FILTERED]"));
        assert_ne!(hasher.of_request_line(b"id", b"m"), hasher.of_request_line(b"di", b"m"));
    }
}
