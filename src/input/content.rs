//! Files that are no text, by their first bytes.
//!
//! In goes the start of a decompressed file, out comes what it is if it is binary or an output of spanline itself.
//! NUL bytes alone prove nothing: a file that was emptied while its writer went on begins with a hole of them,
//! and power failures leave some behind. What text means is not known here.

/// Why a zip archive is.
pub const ZIP: &str = "a zip archive (unzip it and give the folder; tar archives are read as they are)";

/// Magic numbers: where they stand, and what they tell.
const MAGICS: [(usize, &[u8], &str); 21] = [
    (0, b"\x7fELF", "a program or core dump"),
    (0, b"MZ\x90\0", "a program"),
    (0, b"\xcf\xfa\xed\xfe", "a program"),
    (0, b"SQLite format 3\0", "an SQLite database"),
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", ZIP),
    (257, b"ustar", "an archive within an archive (unpack it to read it)"),
    (0, b"\xfd7zXZ\0", "compressed twice"),
    (0, b"7z\xbc\xaf\x27\x1c", "compressed in a way that is not read (.gz, .zst, .xz and .bz2 are)"),
    (0, b"\x04\x22\x4d\x18", "compressed in a way that is not read (.gz, .zst, .xz and .bz2 are)"),
    (0, b"\x89PNG\r\n", "a picture"),
    (0, b"\xff\xd8\xff", "a picture"),
    (0, b"GIF8", "a picture"),
    (0, b"%PDF-", "a PDF document"),
    (0, b"\xca\xfe\xba\xbe", "a Java class"),
    (0, b"\0asm", "a WebAssembly module"),
    (0, b"\xd4\xc3\xb2\xa1", "a packet capture"),
    (0, b"\xa1\xb2\xc3\xd4", "a packet capture"),
    (0, b"\x0a\x0d\x0d\x0a", "a packet capture"),
    // Compressed twice: what was within a .gz, .zst or the like begins so again.
    (0, b"\x1f\x8b\x08", "compressed twice"),
    (0, b"\x28\xb5\x2f\xfd", "compressed twice"),
];

/// The block of bzip2 begins with the digits of pi.
const BZIP2_BLOCK: &[u8] = b"1AY&SY";

/// A line counts as binary if more than one byte in ten is not text.
const ODD_SHARE: usize = 10;

/// What the magic number at the start of a file tells.
pub fn magic(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"BZh") && head.get(4..10) == Some(BZIP2_BLOCK) {
        return Some("compressed twice");
    }
    let is = |(at, magic, _): &&(usize, &[u8], &str)| head.get(*at..).is_some_and(|rest| rest.starts_with(magic));
    MAGICS.iter().find(is).map(|(.., what)| *what)
}

/// What spanline itself wrote: a links file or its state. Its traces and logs are OTLP/JSON like anybody's.
pub fn own_output(head: &[u8]) -> Option<&'static str> {
    let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let holds = |names: &[&[u8]]| names.iter().all(|name| memchr::memmem::find(first, name).is_some());
    if first.starts_with(b"{\"file\":")
        && holds(&[b"\"line\":", b"\"lines\":", b"\"offset\":", b"\"trace_id\":", b"\"span_id\":", b"\"method\":"])
    {
        return Some("a links file of spanline");
    }
    if head.starts_with(b"spanline ledger ") {
        return Some("spanline's own state");
    }
    let is_state = first.starts_with(b"{\"version\":") && holds(&[b"\"checksum\":\"", b"\"destinations\":"]);
    is_state.then_some("spanline's own state")
}

/// Whether most of it is no text: it has NUL bytes within lines, and most bytes stand in lines that text has not.
pub fn is_binary(head: &[u8]) -> bool {
    if head.starts_with(b"__CURSOR=") {
        // A journal's export: its binary fields are told by their lengths.
        return false;
    }
    let (mut text, mut binary, mut has_nul) = (0, 0, false);
    for line in head.split(|byte| *byte == b'\n') {
        let start = line.iter().position(|byte| *byte != 0).unwrap_or(line.len());
        let end = line.iter().rposition(|byte| *byte != 0).map_or(start, |last| last + 1);
        let line = &line[start..end];
        let holds_nul = line.contains(&0);
        has_nul |= holds_nul;
        if holds_nul || odd_bytes(line) * ODD_SHARE > line.len() {
            binary += line.len();
        } else {
            text += line.len();
        }
    }
    has_nul && binary > text
}

/// Control characters that neither terminals nor printers take, and what is not UTF-8.
fn odd_bytes(line: &[u8]) -> usize {
    let is_control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\r' | 0x1b | 0x07 | 0x08 | 0x0c);
    let controls = line.iter().filter(|byte| is_control(byte)).count();
    controls + line.utf8_chunks().map(|chunk| chunk.invalid().len()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_files_are_known_by_their_content_and_damaged_logs_are_none() {
        let utmp: Vec<u8> = (0..20_u8)
            .flat_map(|at| {
                let mut record = [0; 384];
                (record[0], record[4], record[340]) = (7, at, 0x9c);
                record[8..13].copy_from_slice(b"pts/1");
                record[44..48].copy_from_slice(b"user");
                record
            })
            .collect();
        let noise: Vec<u8> = (0..9_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        assert!(is_binary(&utmp) && is_binary(&noise));
        let hole = [&[0; 5_000][..], b"I1123 a line\\nand another\\n"].concat();
        let torn = [b"I1123 a line\nhalf a l\0\0\0\0\0ine\n".as_slice(), &b"I1123 whole\n".repeat(9)].concat();
        let blanked = b"\0\0\0\0\0\0\nreal\n\0\0\n".to_vec();
        let colours = b"\x1b[32mINFO\x1b[0m hello\n".repeat(9);
        let latin = b"Gr\xfc\xdfe an alle, die das hier lesen\n".repeat(9);
        for text in [hole, torn, blanked, colours, latin, vec![0; 400], Vec::new(), b"plain\n".to_vec()] {
            assert!(!is_binary(&text), "{:?}", String::from_utf8_lossy(&text));
            assert_eq!(magic(&text), None);
        }
        let tar = [&[b'x'; 257][..], b"ustar\0"].concat();
        for head in [b"\x7fELF\x02".as_slice(), b"BZh91AY&SY..", b"\xfd7zXZ\0\0", &tar] {
            assert!(magic(head).is_some(), "{head:?}");
        }
        assert_eq!(magic(b"BZh is how this log line begins"), None);
    }

    #[test]
    fn own_outputs_are_known_by_their_rows() {
        let row = br#"{"file":"a.log","line":1,"lines":1,"offset":0,"trace_id":null,"span_id":null,"method":null}"#;
        assert_eq!(own_output(row), Some("a links file of spanline"));
        let state = br#"{"version":1,"checksum":"00","destinations":{}}"#;
        assert_eq!(own_output(state), Some("spanline's own state"));
        assert_eq!(own_output(br#"{"file":"a.go","line":12,"msg":"trace_id","method":"GET"}"#), None);
    }
}
