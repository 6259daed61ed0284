//! What was learned, to bytes and back.
//!
//! In go values, out come their bytes, and the values again from these: numbers in little endian, fields in the order in which they
//! are named, lists behind their lengths. Bytes that are not of the same kind of value are refused where that shows; that they are
//! whole is made sure of by whoever keeps them.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

/// See the module.
pub(crate) trait Stored: Sized {
    /// Appends the bytes of a value.
    fn put(&self, out: &mut Vec<u8>);
    /// The value of the next bytes, which are taken; `None` if they are of none.
    fn take(from: &mut &[u8]) -> Option<Self>;
}

/// Stores a struct by these fields, all of it.
macro_rules! stored {
    ($type:ty { $($field:ident),* $(,)? }) => {
        impl $crate::correlate::stored::Stored for $type {
            fn put(&self, out: &mut Vec<u8>) {
                $($crate::correlate::stored::Stored::put(&self.$field, out);)*
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: $crate::correlate::stored::Stored::take(from)?),* })
            }
        }
    };
}
pub(crate) use stored;

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Stored for $number {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn take(from: &mut &[u8]) -> Option<Self> {
                let (bytes, rest) = from.split_first_chunk()?;
                *from = rest;
                Some(Self::from_le_bytes(*bytes))
            }
        })*
    };
}
numbers!(u8, u16, u32, u64, i64, f32);

impl Stored for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(from: &mut &[u8]) -> Option<bool> {
        match u8::take(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<T: Stored> Stored for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(from: &mut &[u8]) -> Option<Option<T>> {
        Some(if bool::take(from)? { Some(T::take(from)?) } else { None })
    }
}

impl<T: Stored, const N: usize> Stored for [T; N] {
    fn put(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|value| value.put(out));
    }

    fn take(from: &mut &[u8]) -> Option<[T; N]> {
        let values: Option<Vec<T>> = (0..N).map(|_| T::take(from)).collect();
        values?.try_into().ok()
    }
}

impl<A: Stored, B: Stored> Stored for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut &[u8]) -> Option<(A, B)> {
        Some((A::take(from)?, B::take(from)?))
    }
}

impl<T: Stored> Stored for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_all(out, self.len(), self.iter());
    }

    fn take(from: &mut &[u8]) -> Option<Vec<T>> {
        take_all(from)?.collect()
    }
}

impl Stored for String {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn take(from: &mut &[u8]) -> Option<String> {
        let length = u32::take(from)? as usize;
        let (text, rest) = from.split_at_checked(length)?;
        *from = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

impl<K: Stored + Eq + Hash, V: Stored, S: BuildHasher + Default> Stored for HashMap<K, V, S> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }

    fn take(from: &mut &[u8]) -> Option<HashMap<K, V, S>> {
        take_all(from)?.collect()
    }
}

impl<K: Stored + Eq + Hash, S: BuildHasher + Default> Stored for HashSet<K, S> {
    fn put(&self, out: &mut Vec<u8>) {
        put_all(out, self.len(), self.iter());
    }

    fn take(from: &mut &[u8]) -> Option<HashSet<K, S>> {
        take_all(from)?.collect()
    }
}

fn put_all<'t, T: Stored + 't>(out: &mut Vec<u8>, length: usize, all: impl Iterator<Item = &'t T>) {
    (length as u32).put(out);
    all.for_each(|value| value.put(out));
}

/// As many values as are told; each takes a byte at least, so that a length that is wrong takes no room.
fn take_all<'f, 'b: 'f, T: Stored>(from: &'f mut &'b [u8]) -> Option<impl Iterator<Item = Option<T>> + use<'f, 'b, T>> {
    let length = u32::take(from)?;
    (length as usize <= from.len()).then(|| (0..length).map(move |_| T::take(from)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Default)]
    struct Kept {
        numbers: Vec<(u32, f32)>,
        named: HashMap<String, Option<i64>>,
        set: HashSet<u16>,
        is_it: bool,
        four: [u8; 4],
    }
    stored!(Kept { numbers, named, set, is_it, four });

    proptest! {
        #[test]
        fn what_is_stored_is_what_comes_back(
            numbers in proptest::collection::vec((any::<u32>(), -1e9f32..1e9), 0..9),
            named in proptest::collection::hash_map(".{0,9}", any::<Option<i64>>(), 0..9),
            set in proptest::collection::hash_set(any::<u16>(), 0..9),
            is_it: bool,
            four: [u8; 4],
            cut in 0..200usize,
        ) {
            let kept = Kept { numbers, named, set, is_it, four };
            let mut bytes = Vec::new();
            kept.put(&mut bytes);
            let mut from = &bytes[..];
            prop_assert_eq!(Kept::take(&mut from), Some(kept));
            prop_assert!(from.is_empty());
            if cut < bytes.len() {
                prop_assert_eq!(Kept::take(&mut &bytes[..cut]), None);
            }
        }

        #[test]
        fn any_bytes_are_refused_or_taken(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Kept::take(&mut &bytes[..]);
        }
    }

    #[test]
    fn a_length_that_is_wrong_takes_no_room() {
        assert_eq!(Vec::<u8>::take(&mut &[0xff, 0xff, 0xff, 0xff, 1][..]), None);
    }
}
