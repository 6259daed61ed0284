//! What lines are cut at: blanks, numbers, brackets, the place in a source file.
//!
//! In goes text, out come what stands at its start and what follows. Nothing is known here of formats.

use crate::entry::CodeSite;

/// Skips spaces and tabs.
#[inline]
pub(crate) fn skip_blanks(text: &[u8]) -> &[u8] {
    &text[text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count()..]
}

/// 1*10DIGIT
pub(crate) fn digits(text: &[u8]) -> (Option<u64>, &[u8]) {
    let mut number = 0u64;
    let mut length = 0;
    while let Some(digit) = text.get(length).map(|b| b.wrapping_sub(b'0')).filter(|digit| *digit <= 9) {
        if length == 10 {
            return (None, text);
        }
        number = number * 10 + u64::from(digit);
        length += 1;
    }
    ((length > 0).then_some(number), &text[length..])
}

/// "[" text "]": the text, which may have brackets of its own, and what follows.
pub(crate) fn bracket(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.first() != Some(&b'[') {
        return None;
    }
    let mut depth = 0u32;
    for (at, byte) in text.iter().enumerate().take(256) {
        match byte {
            b'[' => depth += 1,
            b']' if depth == 1 => return Some((&text[1..at], &text[at + 1..])),
            b']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// site = file ":" line ; the file has a name and an extension
///
/// Read from its end: both parts after the name are a few bytes long.
pub(crate) fn code_site(site: &[u8]) -> Option<CodeSite<'_>> {
    let digits = site.iter().rev().take(10).take_while(|byte| byte.is_ascii_digit()).count();
    let (file, line) = site.split_at(site.len() - digits);
    let (file, line) = (file.strip_suffix(b":")?, line_number(line)?);
    let extension = file.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let dot = file.len().checked_sub(extension + 1)?;
    (extension > 0 && dot > 0 && file[dot] == b'.').then_some(CodeSite { file, line })
}

pub(crate) fn line_number(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')))
}
