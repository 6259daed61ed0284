//! Changes within a message that is encoded already: everything else stays as it is, byte for byte.
//!
//! In go a message, and from its start to its end what is put in or left out; out comes the message with the lengths of the
//! messages around each change mended. Its room is kept from message to message. What the fields mean is not known here.

use std::ops::Range;

use super::write::{varint, varint_len};

/// Changes of one message, in order of their places.
#[derive(Debug, Default)]
pub struct Splice {
    edits: Vec<Edit>,
    /// What is put in.
    added: Vec<u8>,
    /// Bytes that the messages which are open have grown by so far.
    growth: i64,
}

/// These bytes of the message are replaced by those of [`Splice::added`].
#[derive(Debug, Clone)]
struct Edit {
    replaced: Range<usize>,
    with: Range<usize>,
}

/// A message within the message, whose end was not met yet.
#[derive(Debug)]
#[must_use = "its length is mended when it is closed"]
pub struct Open {
    /// Its place among the edits.
    edit: usize,
    /// Its field, with tag and length.
    field: Range<usize>,
    /// Where its content begins.
    content: usize,
    added: usize,
    growth: i64,
}

impl Splice {
    /// Nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Forgets all changes, and keeps the room.
    pub fn clear(&mut self) {
        self.edits.clear();
        self.added.clear();
        self.growth = 0;
    }

    /// A field that holds a message begins: where the field stands with its tag, and how long its content is.
    pub fn open(&mut self, field: Range<usize>, content_length: usize) -> Open {
        let content = field.end - content_length;
        let (edit, added) = (self.edits.len(), self.added.len());
        // Its length is known at its end.
        self.edits.push(Edit { replaced: content..content, with: 0..0 });
        Open { edit, field, content, added, growth: std::mem::take(&mut self.growth) }
    }

    /// It ends. `tag_length`: bytes of its tag, after which its length stands.
    pub fn close(&mut self, open: Open, tag_length: usize) {
        if self.edits.len() == open.edit + 1 {
            self.edits.truncate(open.edit);
            self.growth += open.growth;
            return;
        }
        let length = (open.field.end - open.content) as i64 + self.growth;
        let start = self.added.len();
        varint(&mut self.added, length as u64);
        let replaced = open.field.start + tag_length..open.content;
        self.growth += open.growth + varint_len(length as usize) as i64 - replaced.len() as i64;
        self.edits[open.edit] = Edit { replaced, with: start..self.added.len() };
    }

    /// It is left out as a whole, with all that was changed in it.
    pub fn leave_out(&mut self, open: Open) {
        self.edits.truncate(open.edit);
        self.added.truncate(open.added);
        self.growth = open.growth;
        self.remove(open.field);
    }

    /// Leaves bytes out.
    pub fn remove(&mut self, bytes: Range<usize>) {
        self.growth -= bytes.len() as i64;
        self.edits.push(Edit { replaced: bytes, with: 0..0 });
    }

    /// Puts fields in before this place: gives them to `write` to append.
    pub fn insert(&mut self, at: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.added.len();
        write(&mut self.added);
        self.growth += (self.added.len() - start) as i64;
        self.edits.push(Edit { replaced: at..at, with: start..self.added.len() });
    }

    /// Appends the message with its changes.
    pub fn apply(&self, message: &[u8], out: &mut Vec<u8>) {
        out.reserve(message.len() + self.added.len());
        let mut copied = 0;
        for edit in &self.edits {
            out.extend_from_slice(&message[copied..edit.replaced.start]);
            out.extend_from_slice(&self.added[edit.with.clone()]);
            copied = edit.replaced.end;
        }
        out.extend_from_slice(&message[copied..]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::read::{Fields, Value};
    use super::*;

    fn field(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut field = vec![tag];
        varint(&mut field, content.len() as u64);
        field.extend_from_slice(content);
        field
    }

    /// In each inner message: what stays of it, and what is put in.
    #[derive(Debug, Clone)]
    enum Change {
        None,
        Remove,
        Insert(usize),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![Just(Change::None), Just(Change::Remove), (0..300usize).prop_map(Change::Insert)]
    }

    proptest! {
        #[test]
        fn a_spliced_message_is_the_one_that_is_written_anew(
            outer in proptest::collection::vec(proptest::collection::vec((0..200usize, change()), 0..5), 0..4),
            drop_empty: bool,
        ) {
            let (mut before, mut after) = (b"\x12\x01x".to_vec(), b"\x12\x01x".to_vec());
            for inner in &outer {
                let (mut old, mut new) = (b"\x18\x07".to_vec(), b"\x18\x07".to_vec());
                for (length, change) in inner {
                    let mut content = vec![0x2a, 1, 7];
                    content.extend(field(0x32, &vec![1; *length]));
                    old.extend(field(0x0a, &content));
                    match change {
                        Change::Remove => continue,
                        Change::Insert(more) => content.extend(field(0x3a, &vec![2; *more])),
                        Change::None => {}
                    }
                    new.extend(field(0x0a, &content));
                }
                before.extend(field(0x0a, &old));
                let is_left = inner.is_empty() || inner.iter().any(|(_, change)| !matches!(change, Change::Remove));
                if is_left || !drop_empty {
                    after.extend(field(0x0a, &new));
                }
            }
            let mut splice = Splice::default();
            // Room that was used before is as good as new.
            splice.insert(3, |out| out.push(9));
            splice.clear();
            let mut fields = Fields::of(&before);
            let (mut start, mut number) = (0, 0);
            while let Some((_, value)) = fields.next() {
                let end = fields.at();
                if let Value::Bytes(message) = value && start > 0 {
                    let open = splice.open(start..end, message.len());
                    let base = end - message.len();
                    let (mut inner, mut from, mut count) = (Fields::of(message), 0, 0);
                    while let Some((_, value)) = inner.next() {
                        let to = inner.at();
                        if let Value::Bytes(content) = value {
                            let own = splice.open(base + from..base + to, content.len());
                            match &outer[number][count].1 {
                                Change::None => splice.close(own, 1),
                                Change::Remove => splice.leave_out(own),
                                Change::Insert(more) => {
                                    splice.insert(base + to, |out| out.extend(field(0x3a, &vec![2; *more])));
                                    splice.close(own, 1);
                                }
                            }
                            count += 1;
                        }
                        from = to;
                    }
                    let all_gone = count > 0 && outer[number].iter().all(|(_, change)| matches!(change, Change::Remove));
                    if all_gone && drop_empty {
                        splice.leave_out(open);
                    } else {
                        splice.close(open, 1);
                    }
                    number += 1;
                }
                start = end;
            }
            let mut spliced = b"in front".to_vec();
            splice.apply(&before, &mut spliced);
            prop_assert_eq!(&spliced[8..], &after[..]);
        }
    }
}
