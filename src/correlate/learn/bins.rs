//! Distances in time, coarsely.
//!
//! In go nanoseconds with their sign, out comes the number of a bin: even steps of the logarithm, found without one. What
//! lies in the bins is counted elsewhere.

/// Bins of distances: a signed logarithmic scale, 7 a decade from 2 µs.
pub(crate) const BINS: usize = 72;
/// Where bins begin: seven even steps of the logarithm a decade, from 2 µs up.
const EDGES: [u64; STEPS] = edges();
const STEPS: usize = BINS - 14;

const fn edges() -> [u64; STEPS] {
    // 2 · 10^(step/7) µs, in pm.
    let decade =
        [2_000_000_000, 2_778_990_881, 3_861_395_159, 5_365_390_968, 7_455_187_444, 10_358_948_985, 14_393_713_460u64];
    let mut edges = [0; STEPS];
    let mut step = 0;
    while step < edges.len() {
        edges[step] = (decade[step % 7] as u128 * 10u128.pow(step as u32 / 7)).div_ceil(1_000_000) as u64;
        step += 1;
    }
    edges
}

/// Where the last bin would end.
const LAST_END: u64 = (EDGES[STEPS - 1] as u128 * 2_778_990_881 / 2_000_000_000) as u64;

/// By the number of bits of a distance and its four highest after the first: the last step that begins no later than all
/// such distances. A step is wider than what such distances differ by, so that at most one begins among them.
/// (Of tables as long as a power of two no place is outside.)
const FIRST_STEPS: [u8; 1 << 11] = first_steps();

const fn first_steps() -> [u8; 1 << 11] {
    let mut steps = [0; 1 << 11];
    let mut at = 1 << 4;
    while at < 65 << 4 {
        let (bits, highest) = (at >> 4, at as u128 & 15);
        let least = (16 | highest) << bits >> 5;
        let mut step = steps[at - 1];
        while (step as usize) + 1 < EDGES.len() && EDGES[step as usize + 1] as u128 <= least {
            step += 1;
        }
        steps[at] = step;
        at += 1;
    }
    steps
}

/// Where the step after each begins; none does after the last. Exact: all are far below 2^53.
const NEXT_EDGES: [f64; 64] = next_edges();

const fn next_edges() -> [f64; 64] {
    let mut next = [f64::INFINITY; 64];
    let mut step = 1;
    while step < STEPS {
        next[step - 1] = EDGES[step] as f64;
        step += 1;
    }
    next
}

/// The bin of a distance in ns.
#[inline]
pub(crate) const fn bin(distance: i64) -> u8 {
    // Its exponent is the number of bits, after it stand those after the first one. Rounded are only distances that lie
    // beyond all edges.
    let bits = (distance as f64).to_bits() & (u64::MAX >> 1);
    let highest = ((bits >> 48) as usize).saturating_sub(1022 << 4);
    let step = FIRST_STEPS[highest & 0x7ff];
    let step = step + (NEXT_EDGES[step as usize & 63] <= f64::from_bits(bits)) as u8;
    if distance >= 0 { 14 + step } else { 13u8.saturating_sub(step) }
}

/// Where nothing is near.
pub(crate) const FAR: u8 = bin(i64::MAX);

/// How wide a bin is, ns.
pub(crate) fn bin_width(bin: u8) -> f32 {
    let step = usize::from(if bin >= 14 { bin - 14 } else { 13 - bin });
    let next = EDGES.get(step + 1).copied().unwrap_or(LAST_END);
    EDGES.get(step).map_or(0.0, |edge| (next - edge) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_are_in_order_and_tell_signs_apart() {
        let distances = [-9_000_000_000, -1_000_000, -3_000, -1, 0, 1_999, 3_000, 1_000_000, 60_000_000_000];
        let bins: Vec<u8> = distances.iter().map(|distance| bin(*distance)).collect();
        assert!(bins.is_sorted() && bins[3] < bins[4] && bins[4] == bins[5] && bins[5] < bins[6], "{bins:?}");
        assert!((bin(i64::MAX) as usize) < BINS && bin(i64::MIN + 1) == 0);
    }

    #[test]
    fn every_step_begins_at_its_edge() {
        for (step, edge) in EDGES.iter().enumerate().skip(1) {
            assert_eq!((bin(*edge as i64 - 1), bin(*edge as i64)), (13 + step as u8, 14 + step as u8));
            let far = (*edge as i64).saturating_mul(13) / 11;
            assert!(bin(far) as usize == 14 + step, "{far}");
        }
    }

    #[test]
    fn bins_are_even_steps_of_the_logarithm() {
        for exponent in 0..=820 {
            let distance = 2_000.0 * 10f64.powf(f64::from(exponent) / 100.0);
            let step = f64::from(exponent) * 7.0 / 100.0;
            // Not at the edges, where rounding decides.
            if (0.01..0.99).contains(&step.fract()) {
                let width = 2_000.0 * (10f64.powf((step.floor() + 1.0) / 7.0) - 10f64.powf(step.floor() / 7.0));
                let found = f64::from(bin_width(bin(distance as i64)));
                assert!(step as usize >= BINS - 14 || (found / width - 1.0).abs() < 1e-3, "{step}: {found}, {width}");
                assert_eq!(usize::from(bin(distance as i64)), 14 + step as usize);
                assert_eq!(usize::from(bin(-distance as i64)), 13 - (step as usize).min(13));
            }
        }
    }
}
