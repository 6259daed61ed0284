//! Logarithm and exponential that are cheap enough for inner loops.
//!
//! In go and out come `f32`; errors are far below what counts of lines can tell.

/// Natural logarithm of a positive number to four digits, which is more than counts tell.
#[inline]
pub(crate) fn ln(number: f32) -> f32 {
    let bits = number.to_bits();
    let exponent = (bits >> 23) as i32 - 127;
    let part = f32::from_bits(bits & 0x007f_ffff | 0x3f80_0000);
    // ln(part) around 1.5, by the series of atanh.
    let step = (part - 1.5) / (part + 1.5);
    let square = step * step;
    let series = 2.0 * step * (1.0 + square * (1.0 / 3.0 + square * (0.2 + square / 7.0)));
    exponent as f32 * std::f32::consts::LN_2 + (0.405_465_1 + series)
}

/// e to a number, as exact as [`ln`].
#[inline]
pub(crate) fn exp(number: f32) -> f32 {
    // Adding it rounds to whole numbers.
    const ROUND: f32 = 12_582_912.0;
    let twos = (number * std::f32::consts::LOG2_E).clamp(-126.0, 126.0);
    let rounded = twos + ROUND;
    let rest = (twos - (rounded - ROUND)) * std::f32::consts::LN_2;
    let series = 1.0 + rest * (1.0 + rest * (0.5 + rest * (1.0 / 6.0 + rest * (1.0 / 24.0 + rest / 120.0))));
    // The last bits of `rounded` are the whole number.
    f32::from_bits(rounded.to_bits().wrapping_add(127) << 23) * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_exact_enough() {
        for number in [1e-30f32, 1e-9, 0.3, 0.999, 1.0, 1.5, 2.0, 17.3, 4e5, 1e30] {
            assert!((ln(number) - number.ln()).abs() < 2e-4 * number.ln().abs().max(1.0), "{number}: {}", ln(number));
        }
    }

    #[test]
    fn the_power_is_exact_enough() {
        for number in [-80.0f32, -9.0, -0.7, -0.3, 0.0, 0.2, 0.5, 1.0, 17.3, 80.0] {
            assert!((exp(number) / number.exp() - 1.0).abs() < 1e-4, "{number}: {}", exp(number));
        }
        assert!(exp(-1e9) > 0.0 && exp(1e9).is_finite());
    }
}
