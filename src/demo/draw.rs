//! Random draws.

use fastrand::Rng;

/// True in `per_mille` of 1,000 cases.
pub(crate) fn chance(rng: &mut Rng, per_mille: u32) -> bool {
    rng.u32(..1_000) < per_mille
}

/// One element, all with the same probability.
pub(crate) fn pick<T: Copy>(rng: &mut Rng, list: &[T]) -> T {
    list[rng.usize(..list.len())]
}

/// The index of one weight, with a probability proportional to it.
pub(crate) fn weighted(rng: &mut Rng, weights: impl Iterator<Item = u32> + Clone) -> usize {
    let mut at = rng.u32(..weights.clone().sum::<u32>());
    for (index, weight) in weights.enumerate() {
        if at < weight {
            return index;
        }
        at -= weight;
    }
    unreachable!("the drawn number is below the sum of the weights")
}

/// A log-normally distributed number, by Box and Muller's transform.
pub(crate) fn log_normal(rng: &mut Rng, median: f64, sigma: f64) -> f64 {
    let normal = (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos();
    median * (sigma * normal).exp()
}

/// A number that looks random (the finalizer of splitmix64).
pub(crate) fn mix(key: u64, epoch: u64) -> u64 {
    let mut z = key ^ epoch.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_a_log_normal_is_its_median() {
        let mut rng = Rng::with_seed(7);
        let below = (0..10_000).filter(|_| log_normal(&mut rng, 100.0, 0.8) < 100.0).count();
        assert!((4_700..5_300).contains(&below), "{below}");
    }
}
