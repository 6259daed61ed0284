//! A member's name in JSON, as it is written and as it is found again.
//!
//! In goes a name, out come its bytes with quotes and colon, and whether a text goes on with them. Where names are written
//! in another way (escapes, blanks), readers compare the name itself.

/// Bytes of a text that are compared. The longest name takes 25 with its quotes and colon: `"droppedAttributesCount":`.
pub const LOOK: usize = 32;
/// The same as numbers.
const WORDS: usize = LOOK / 8;

/// `"name":`
#[derive(Debug, Clone, Copy)]
pub struct JsonKey {
    bytes: [u8; LOOK],
    length: usize,
    words: [u64; WORDS],
    /// Which of the words' bits are the name's.
    masks: [u64; WORDS],
}

impl JsonKey {
    /// The key of a name without escapes.
    pub const fn of(name: &str) -> JsonKey {
        let (name, mut bytes, mut at) = (name.as_bytes(), [0; LOOK], 0);
        bytes[0] = b'"';
        while at < name.len() {
            bytes[at + 1] = name[at];
            at += 1;
        }
        bytes[at + 1] = b'"';
        bytes[at + 2] = b':';
        let length = at + 3;
        let (mut words, mut masks, mut at) = ([0; WORDS], [0; WORDS], 0);
        while at < length {
            let shift = 8 * (at % 8);
            words[at / 8] |= (bytes[at] as u64) << shift;
            masks[at / 8] |= 0xff << shift;
            at += 1;
        }
        JsonKey { bytes, length, words, masks }
    }

    /// With quotes and colon.
    #[inline(always)]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Whether a text begins with this key.
    #[inline(always)]
    pub fn begins(&self, text: &[u8; LOOK]) -> bool {
        let (words, _) = text.as_chunks::<8>();
        let differs = |at: usize| (u64::from_le_bytes(words[at]) ^ self.words[at]) & self.masks[at];
        // The first of them tells most names apart, and few have more than two.
        differs(0) == 0 && differs(1) == 0 && (self.length <= 16 || differs(2) | differs(3) == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_begins_with_its_key_and_with_no_other() {
        let names = ["a", "ab", "fifteen____long", "sixteen_____long", "startTimeUnixNano", "startTimeUnixNanos"];
        for name in names {
            let key = JsonKey::of(name);
            assert_eq!(key.bytes(), format!("\"{name}\":").as_bytes());
            for other in names {
                let text = format!("\"{other}\":\"and what follows, of any length\"");
                assert_eq!(key.begins(text.as_bytes().first_chunk().unwrap()), name == other, "{name} {other}");
            }
            for at in 0..key.bytes().len() {
                let mut text = [b'"'; LOOK];
                text[..key.bytes().len()].copy_from_slice(key.bytes());
                assert!(key.begins(&text));
                text[at] ^= 0x20;
                assert!(!key.begins(&text), "{name} {at}");
            }
        }
    }
}
