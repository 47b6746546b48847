//! The vertical scale: from zero to a round number above the largest value.

/// Most lines of the grid above the base line.
const MAX_STEPS: f64 = 4.0;

/// Lines of the grid at equal, round distances. The scale begins at zero, so that heights compare as values do.
#[derive(Debug, PartialEq)]
pub(super) struct Scale {
    step: f64,
    steps: u32,
}

impl Scale {
    /// The scale on which all of `values` fit. Values below zero count as zero.
    pub(super) fn new(values: impl Iterator<Item = f64> + Clone) -> Self {
        let largest = values.clone().filter(|value| value.is_finite()).fold(0.0, f64::max);
        if largest <= 0.0 {
            return Self { step: 1.0, steps: 1 };
        }
        // A count has no halves, so neither has its grid.
        let is_whole = values.clone().all(|value| value.fract() == 0.0);
        let step = round_step(largest / MAX_STEPS, is_whole);
        // The largest value divided by the step is at most `MAX_STEPS`, apart from rounding.
        let steps = (largest / step - 1e-9).ceil().clamp(1.0, MAX_STEPS) as u32;
        Self { step, steps }
    }

    /// The values at the lines of the grid, without zero.
    pub(super) fn lines(&self) -> impl Iterator<Item = f64> {
        (1..=self.steps).map(|line| f64::from(line) * self.step)
    }

    /// The height of a value as a share of the whole, from 0 to 1.
    pub(super) fn share(&self, value: f64) -> f64 {
        (value / (f64::from(self.steps) * self.step)).clamp(0.0, 1.0)
    }
}

/// The least of 1, 2, 2.5, 5, 10, 20 … that is at least `least`; a whole number if `is_whole`.
fn round_step(least: f64, is_whole: bool) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let candidates = [1.0, 2.0, 2.5, 5.0, 10.0, 20.0].map(|factor| factor * power);
    let fits =
        |step: &f64| *step >= least * (1.0 - 1e-9) && (!is_whole || (*step >= 1.0 && step.fract() == 0.0));
    candidates.into_iter().find(fits).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(values: &[f64]) -> Vec<f64> {
        Scale::new(values.iter().copied()).lines().collect()
    }

    #[test]
    fn the_grid_has_few_round_steps_above_the_largest_value() {
        assert_eq!(lines(&[97.0]), [25.0, 50.0, 75.0, 100.0]);
        assert_eq!(lines(&[1234.0, 7.0]), [500.0, 1000.0, 1500.0]);
        assert_eq!(lines(&[0.31]), [0.1, 0.2, 0.30000000000000004, 0.4]);
        for largest in 1..20_000 {
            let lines = lines(&[f64::from(largest)]);
            assert!((1..=4).contains(&lines.len()), "{largest}: {lines:?}");
            assert!(*lines.last().unwrap() >= f64::from(largest), "{largest}: {lines:?}");
        }
    }

    #[test]
    fn the_grid_of_counts_has_whole_numbers() {
        assert_eq!(lines(&[1.0]), [1.0]);
        assert_eq!(lines(&[3.0]), [1.0, 2.0, 3.0]);
        assert_eq!(lines(&[9.0]), [5.0, 10.0]);
    }

    #[test]
    fn no_values_are_a_scale_too() {
        assert_eq!(lines(&[]), [1.0]);
        assert_eq!(lines(&[0.0, -3.0, f64::NAN]), [1.0]);
        assert_eq!(Scale::new([0.0].into_iter()).share(f64::NAN).max(0.0), 0.0);
    }
}
