//! What a stream taught, kept for the next run.
//!
//! In goes a correlator, out come bytes; and the same the other way round, for one that has seen nothing yet. Lines and spans are
//! not among them. Hashes of words and names go by a secret of the first run, which is among them: these bytes are for nobody else.

use super::correlator::Correlator;
use super::index::{AttributeWords, IdentityHasher};
use super::stored::Stored;

/// Another layout, or another meaning of it, has another number.
const VERSION: u32 = 2;

impl Correlator {
    /// What was learned of a stream so far.
    pub fn learned(&self) -> Vec<u8> {
        // All of them are named: what is learned by one that is added is to be kept too.
        let Correlator {
            index,
            engine,
            stream,
            // Of lines and spans, none of which is kept.
            requests: _,
            sources: _,
            rounded: _,
            due: _,
            // Told to the next run anew.
            sites: _,
            limits: _,
        } = self;
        let mut out = Vec::new();
        VERSION.put(&mut out);
        index.words.seed().put(&mut out);
        index.resources.services().put(&mut out);
        if let (Some(learned), Some(stream)) = (&engine.stream, stream) {
            learned.put_learned(&mut out);
            stream.watermarks.put_learned(&mut out);
        }
        out
    }

    /// One that will follow a stream, and begins with what another learned; `None` where these bytes are not of that, or of another
    /// version.
    pub fn with_learned(self, bytes: &[u8]) -> Option<Correlator> {
        let mut from = bytes;
        if u32::take(&mut from)? != VERSION {
            return None;
        }
        let seed = u64::take(&mut from)?;
        let mut correlator = self;
        let index = &mut correlator.index;
        (index.words, index.hasher) = (AttributeWords::new(seed), IdentityHasher::new(seed));
        index.resources.number_services(Stored::take(&mut from)?);
        correlator.follow();
        correlator.engine.stream.as_mut()?.take_learned(&mut from)?;
        correlator.stream.as_mut()?.watermarks.take_learned(&mut from)?;
        from.is_empty().then_some(correlator)
    }
}
