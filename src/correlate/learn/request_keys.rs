//! Which keys name requests: those whose equal values agree on a trace.
//!
//! In go the traces of lines with one value, out comes whether the key names requests, of this service or by what it does in
//! others. A pod or a user has many traces, and so is no request.

use super::tuning::{REQUEST_KEY_AGREEMENT, REQUEST_KEY_LINES, REQUEST_KEY_OTHERS_LINES, REQUEST_KEY_OTHERS_PART};
use crate::correlate::text::hash::NumberMap;

/// Of each service and key: lines that agreed with those of the same value, of so many.
pub(crate) type Agreement = NumberMap<(u32, u32), (f32, f32)>;

/// Takes in the traces of lines with one value.
pub(crate) fn count(agreement: &mut Agreement, key: (u32, u32), traces: &mut [u32]) {
    if traces.len() >= 2 {
        traces.sort_unstable();
        let most = traces.chunk_by(|a, b| a == b).map(<[u32]>::len).max().unwrap_or(0);
        let entry = agreement.entry(key).or_default();
        *entry = (entry.0 + most as f32, entry.1 + traces.len() as f32);
    }
}

/// See the module.
pub(crate) struct RequestKeys<'a> {
    now: &'a Agreement,
    before: Option<&'a Agreement>,
    /// Of each key, in all services.
    everywhere: NumberMap<u32, (f32, f32)>,
}

impl RequestKeys<'_> {
    /// By what lines say now, and said before.
    pub(crate) fn new<'a>(now: &'a Agreement, before: Option<&'a Agreement>) -> RequestKeys<'a> {
        let mut everywhere: NumberMap<u32, (f32, f32)> = NumberMap::default();
        for ((_, key), (agree, seen)) in now.iter().chain(before.into_iter().flatten()) {
            let all = everywhere.entry(*key).or_default();
            *all = (all.0 + agree, all.1 + seen);
        }
        RequestKeys { now, before, everywhere }
    }

    /// A key of a service does.
    pub(crate) fn names_request(&self, key: (u32, u32)) -> bool {
        let of = |agreement: &Agreement| agreement.get(&key).copied().unwrap_or_default();
        let (now, before) = (of(self.now), self.before.map(of).unwrap_or_default());
        let own = (now.0 + before.0, now.1 + before.1);
        let all = self.everywhere.get(&key.1).copied().unwrap_or_default();
        let others = (all.0 - own.0, all.1 - own.1);
        let part = (REQUEST_KEY_OTHERS_LINES / others.1.max(1.0)).min(REQUEST_KEY_OTHERS_PART);
        let (agree, seen) = (own.0 + part * others.0, own.1 + part * others.1);
        seen >= REQUEST_KEY_LINES && agree >= REQUEST_KEY_AGREEMENT * seen && own.0 >= REQUEST_KEY_AGREEMENT * own.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_requests_where_its_values_agree() {
        let mut agreement = Agreement::default();
        for trace in 0..12 {
            count(&mut agreement, (1, 7), &mut [trace; 3]);
            count(&mut agreement, (1, 8), &mut [trace, trace + 1, trace + 2]);
        }
        // Few of its own, and the same elsewhere; a user's elsewhere; other traces of its own.
        count(&mut agreement, (2, 7), &mut [1; 6]);
        count(&mut agreement, (2, 8), &mut [1; 6]);
        count(&mut agreement, (3, 7), &mut [1, 2, 3]);
        let keys = RequestKeys::new(&agreement, None);
        let names = [(1, 7), (1, 8), (2, 7), (2, 8), (3, 7)].map(|key| keys.names_request(key));
        assert_eq!(names, [true, false, true, false, false]);
    }
}
