//! Sizes and durations as they are typed.
//!
//! In goes the text of a flag's value, out comes a number of bytes or a duration, or what is wrong with it.

use std::time::Duration;

/// bytes = number [ "K" / "M" / "G" ] [ "iB" / "B" ]   ; powers of 1024
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let shift = match text[digits..].trim_end_matches('B').trim_end_matches('i') {
        "" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        unit => return Err(format!("unknown unit {unit:?}: use K, M or G")),
    };
    let number: u64 = text[..digits].parse().map_err(|_| format!("{text:?} is no size such as 64MiB"))?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).ok_or_else(|| format!("{text:?} is out of range"))
}

/// duration = 1*( number ( "ms" / "s" / "m" / "h" / "d" ) )
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is no duration such as 90s, 5m or 2h");
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let millis: u64 = match &rest[digits..digits + letters] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(bad()),
        };
        let part = Duration::from_millis(number.checked_mul(millis).ok_or_else(bad)?);
        total = total.checked_add(part).ok_or_else(bad)?;
        rest = &rest[digits + letters..];
    }
    if text.is_empty() { Err(bad()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_have_units() {
        assert_eq!(parse_bytes("64MiB"), Ok(64 << 20));
        assert_eq!(parse_bytes("1K"), Ok(1024));
        assert_eq!(parse_bytes("7"), Ok(7));
        assert!(parse_bytes("MiB").is_err() && parse_bytes("1T").is_err() && parse_bytes("0").is_err());
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert!(parse_duration("5").is_err() && parse_duration("").is_err() && parse_duration("m").is_err());
        assert!(parse_duration(&format!("{}ms", u64::MAX).repeat(2000)).is_err());
    }
}
