//! Lines that go nowhere but onto spans: they are settled once these were acknowledged.
//!
//! In go the receipts of lines whose events go out together, and for each request that holds some of them word that it was taken;
//! once all have been, the lane is told. A request that is lost without a word, as at the end, leaves its lines unsettled: they are
//! read again by the next start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use super::hold::WhenTaken;
use super::wake::Wake;
use crate::record::Receipt;

/// See the module. Dropped with its last request, it tells the lane.
#[derive(Debug)]
pub(super) struct EventReceipts {
    receipts: Vec<Receipt>,
    lane: Sender<Wake>,
    is_lost: AtomicBool,
}

/// A request that holds events of them.
#[derive(Debug)]
struct Ticket {
    of: Arc<EventReceipts>,
    was_taken: bool,
}

impl EventReceipts {
    pub(super) fn new(receipts: Vec<Receipt>, lane: Sender<Wake>) -> Arc<EventReceipts> {
        Arc::new(EventReceipts { receipts, lane, is_lost: AtomicBool::new(false) })
    }

    /// For a further request: to be called when it was taken.
    pub(super) fn when_taken(self: &Arc<EventReceipts>) -> WhenTaken {
        let ticket = Ticket { of: self.clone(), was_taken: false };
        Box::new(move || ticket.taken())
    }
}

impl Ticket {
    fn taken(mut self) {
        self.was_taken = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.was_taken {
            self.of.is_lost.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for EventReceipts {
    fn drop(&mut self) {
        if !self.is_lost.load(Ordering::Relaxed) && !self.receipts.is_empty() {
            // A lane that has ended has written down what it knew.
            let _ = self.lane.send(Wake::Settled(std::mem::take(&mut self.receipts)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    fn settled(lane: &Receiver<Wake>) -> Option<Vec<Receipt>> {
        match lane.try_recv().ok()? {
            Wake::Settled(receipts) => Some(receipts),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lines_are_settled_once_all_of_their_requests_were_taken() {
        let (lane, told) = channel();
        let receipts = vec![Receipt { source: 1, from: 0, to: 5 }];
        let events = EventReceipts::new(receipts.clone(), lane.clone());
        let (one, two) = (events.when_taken(), events.when_taken());
        drop(events);
        one();
        assert_eq!(settled(&told), None);
        two();
        assert_eq!(settled(&told), Some(receipts.clone()));
        // None of them has a place on a span.
        drop(EventReceipts::new(receipts.clone(), lane.clone()));
        assert_eq!(settled(&told), Some(receipts.clone()));
        let events = EventReceipts::new(receipts, lane);
        let (one, two) = (events.when_taken(), events.when_taken());
        drop((events, two));
        one();
        assert_eq!(settled(&told), None, "one was lost");
    }
}
