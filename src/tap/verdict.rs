//! What a failure means for a request that is passed on as it came: it cannot be split, nor mended.
//!
//! In goes an error, out comes what to do. Plain decisions, without state.

use std::time::Duration;

use crate::otlp::{Class, Code, SendError};

/// What to do with a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing passes now: all wait, and this one goes first.
    HoldAll,
    /// It may be its own fault: it waits, while others go on.
    RetryUnlessOthersPass,
    /// It never passes, for this reason.
    Drop(&'static str),
}

/// What to do with a request that failed so.
pub(super) fn of(error: &SendError) -> Fate {
    match (error.class, error.code) {
        (Class::Retryable { after: None }, code) if code.is_answer() && code != Code::Http(429) => {
            Fate::RetryUnlessOthersPass
        }
        // A limit without a word of when: on load, or on this request.
        (Class::Overloaded, _) => Fate::RetryUnlessOthersPass,
        (Class::Retryable { .. }, _) => Fate::HoldAll,
        // Only its operator can change that, and then everything passes.
        (Class::Misconfigured, _) => Fate::HoldAll,
        (Class::TooLarge, _) => Fate::Drop("too_large"),
        (Class::NotImplemented, _) => Fate::Drop("no_service"),
        (Class::Encoding, _) => Fate::Drop("encoding"),
        (Class::BadData | Class::Permanent, _) => Fate::Drop("refused"),
    }
}

/// How long the destination asks to be left alone.
pub(super) fn after(error: &SendError) -> Option<Duration> {
    match error.class {
        Class::Retryable { after } => after,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_later_is_kept_and_what_never_will_is_dropped() {
        let error = |class, code| SendError::new(class, code, "");
        let retry = Class::Retryable { after: None };
        for (class, code, expected) in [
            (retry, Code::Connect, Fate::HoldAll),
            (retry, Code::Timeout, Fate::HoldAll),
            (retry, Code::Grpc(14), Fate::RetryUnlessOthersPass),
            (retry, Code::Http(429), Fate::HoldAll),
            (Class::Retryable { after: Some(Duration::from_secs(5)) }, Code::Grpc(14), Fate::HoldAll),
            (Class::Overloaded, Code::Grpc(8), Fate::RetryUnlessOthersPass),
            (Class::Misconfigured, Code::Protocol, Fate::HoldAll),
            (Class::TooLarge, Code::Http(413), Fate::Drop("too_large")),
            (Class::NotImplemented, Code::Http(404), Fate::Drop("no_service")),
            (Class::Permanent, Code::Http(401), Fate::Drop("refused")),
            (Class::BadData, Code::Grpc(3), Fate::Drop("refused")),
        ] {
            assert_eq!(of(&error(class, code)), expected, "{class:?} {code:?}");
        }
    }
}
