//! A request's body, read to its end within limits of size, memory and time.
//!
//! In go pieces as they come, out come the bytes as one. What is read of all requests together has a limit as well: a request
//! beyond it is asked to come again.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::Shared;
use super::reply::{Refused, code};
use super::room::Room;

/// When a request should come again that there was no memory for.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Room made for a request before any of it came, whatever it says of its length.
const ROOM_FIRST: usize = 64 * 1024;

/// Reads the body. `length`: looks at what came so far, and says how long it will be, if that can be told.
pub(super) async fn body(
    body: Incoming,
    shared: &Shared,
    length: impl Fn(&[u8]) -> Option<usize>,
) -> Result<(Bytes, Room), Refused> {
    let limit = shared.limits.request_time_max;
    let reading = Reading {
        bytes: BytesMut::new(),
        held: Room::none(&shared.bytes_read, shared.limits.reading_bytes_max),
        shared,
    };
    let read = tokio::time::timeout(limit, reading.all(body, length)).await;
    let slow = || {
        let message = format!("the request was not whole after {} s", limit.as_secs());
        Refused::new("slow_request", code::DEADLINE_EXCEEDED, 408, message)
    };
    read.unwrap_or_else(|_| Err(slow()))
}

struct Reading<'s> {
    bytes: BytesMut,
    held: Room,
    shared: &'s Shared,
}

impl Reading<'_> {
    async fn all(
        mut self,
        mut body: Incoming,
        length: impl Fn(&[u8]) -> Option<usize>,
    ) -> Result<(Bytes, Room), Refused> {
        let hint = body.size_hint();
        self.check(usize::try_from(hint.lower()).unwrap_or(usize::MAX))?;
        self.bytes.reserve(hint.exact().and_then(|exact| usize::try_from(exact).ok()).map_or(0, first_room));
        let mut is_length_known = false;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                let message = format!("the request broke off: {error}");
                Refused::new("broken_off", code::UNKNOWN, 400, message)
            })?;
            let Ok(piece) = frame.into_data() else { continue };
            self.check(self.bytes.len() + piece.remaining())?;
            if !self.held.grow(piece.len()) {
                let message = "too many large requests at once; try again";
                return Err(Refused::for_now("too_much_at_once", message, AGAIN_AFTER));
            }
            self.bytes.extend_from_slice(&piece);
            if !is_length_known && let Some(length) = length(&self.bytes) {
                is_length_known = true;
                self.check(length)?;
                self.bytes.reserve(first_room(length).saturating_sub(self.bytes.len()));
            }
        }
        Ok((self.bytes.freeze(), self.held))
    }

    fn check(&self, length: usize) -> Result<(), Refused> {
        let max = self.shared.limits.request_bytes_max;
        if length <= max {
            return Ok(());
        }
        // The words that clients know a limit of size by.
        Err(Refused::too_large(format!("received message larger than max ({length} vs. {max})")))
    }
}

fn first_room(length: usize) -> usize {
    length.min(ROOM_FIRST)
}
