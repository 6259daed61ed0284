//! Numbers that count from 1970, read digit by digit: `1718790679.123456`, `1718790679123.4567`, `1718790679123456789`.
//!
//! Never by way of a double, which would lose the last digits of a nanosecond. Out comes a [`Time::Unix`]; no zone, no
//! clock.

use crate::entry::Time;

/// What one unit of the number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 1 s
    Seconds,
    /// 1 ms
    Millis,
    /// 1 µs
    Micros,
    /// 1 ns
    Nanos,
}

impl Unit {
    /// Powers of ten from a nanosecond.
    fn exponent(self) -> i32 {
        match self {
            Unit::Seconds => 9,
            Unit::Millis => 6,
            Unit::Micros => 3,
            Unit::Nanos => 0,
        }
    }
}

/// The time that a number token means by its size: seconds from 1973 to 5138, and milliseconds, microseconds,
/// nanoseconds of the same years. Smaller numbers, and what is no number, are no time.
pub fn guess(token: &[u8]) -> Option<Time> {
    let decimal = decimal(token)?;
    let unit = match decimal.magnitude {
        8..=10 => Unit::Seconds,
        11..=13 => Unit::Millis,
        14..=16 => Unit::Micros,
        17..=18 => Unit::Nanos,
        _ => return None,
    };
    decimal.time(unit)
}

/// The time that a number token means in a unit.
pub fn time(token: &[u8], unit: Unit) -> Option<Time> {
    decimal(token)?.time(unit)
}

/// `mantissa` × 10^`exponent`; `magnitude` is the exponent of the first digit.
struct Decimal {
    mantissa: u64,
    exponent: i32,
    magnitude: i32,
}

/// Digits that are kept: more than nanoseconds of any year have.
const DIGITS_MAX: i32 = 19;

/// decimal = 1*DIGIT [ "." *DIGIT ] [ ( "e" / "E" ) [ "+" / "-" ] 1*DIGIT ]
fn decimal(token: &[u8]) -> Option<Decimal> {
    let (mut mantissa, mut digits, mut exponent) = (0u64, 0i32, 0i32);
    let mut point = false;
    let mut at = 0;
    while let Some(&byte) = token.get(at) {
        match byte {
            b'0'..=b'9' if digits < DIGITS_MAX => {
                mantissa = mantissa * 10 + u64::from(byte - b'0');
                digits += i32::from(mantissa != 0);
                exponent -= i32::from(point);
            }
            b'0'..=b'9' => exponent = exponent.checked_add(i32::from(!point))?,
            b'.' if !point && at > 0 => point = true,
            b'e' | b'E' if at > 0 => {
                let written = std::str::from_utf8(&token[at + 1..]).ok()?;
                exponent = exponent.checked_add(written.parse::<i16>().ok()?.into())?;
                at = token.len();
                break;
            }
            _ => return None,
        }
        at += 1;
    }
    let magnitude = digits - 1 + exponent;
    (at > 0).then_some(Decimal { mantissa, exponent, magnitude })
}

impl Decimal {
    fn time(&self, unit: Unit) -> Option<Time> {
        let exponent = self.exponent + unit.exponent();
        let power = |exponent: i32| u32::try_from(exponent).ok().and_then(|exponent| 10u64.checked_pow(exponent));
        let nanos = if self.mantissa == 0 {
            0
        } else if exponent >= 0 {
            self.mantissa.checked_mul(power(exponent)?)?
        } else {
            power(-exponent).map_or(0, |divisor| self.mantissa / divisor)
        };
        let digits = (9 - exponent).clamp(9 - unit.exponent(), 9);
        Some(Time::Unix { nanos: i64::try_from(nanos).ok()?, digits: u8::try_from(digits).unwrap_or(9) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_tells_the_unit() {
        for (token, nanos, digits) in [
            ("1718790679", 1_718_790_679_000_000_000, 0),
            ("1718790679.5", 1_718_790_679_500_000_000, 1),
            ("1718790679.123456789", 1_718_790_679_123_456_789, 9),
            ("1718790679.1234567891234", 1_718_790_679_123_456_789, 9),
            ("1718790679123", 1_718_790_679_123_000_000, 3),
            ("1718790679123.4567", 1_718_790_679_123_456_700, 7),
            ("1718790679123456", 1_718_790_679_123_456_000, 6),
            ("1718790679123456789", 1_718_790_679_123_456_789, 9),
            ("1.718790679123E9", 1_718_790_679_123_000_000, 3),
            ("1.7e9", 1_700_000_000_000_000_000, 0),
            ("1.7187906791234567e+18", 1_718_790_679_123_456_700, 9),
        ] {
            assert_eq!(guess(token.as_bytes()), Some(Time::Unix { nanos, digits }), "{token}");
        }
        for token in
            ["", "5", "99999999", "-1718790679", "1e400", "1718790679x", ".5", "1e", "9999999999999999999", "--"]
        {
            assert_eq!(guess(token.as_bytes()), None, "{token}");
        }
    }

    #[test]
    fn a_unit_may_be_given() {
        for (token, nanos, digits) in
            [("0.000123", 123, 9), ("0", 0, 3), ("1721416876046.2573", 1_721_416_876_046_257_300, 7)]
        {
            assert_eq!(time(token.as_bytes(), Unit::Millis), Some(Time::Unix { nanos, digits }), "{token}");
        }
        assert_eq!(time(b"1e99", Unit::Millis), None);
        assert_eq!(time(b"1e-99", Unit::Millis), Some(Time::Unix { nanos: 0, digits: 9 }));
    }
}
