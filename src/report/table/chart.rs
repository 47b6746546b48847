//! Bars and sparklines.

/// The numbers as eighths of a line's height, from 0. If there are more than `room`, neighbours are averaged.
pub(super) fn sparkline(numbers: &[f64], room: usize) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let each = numbers.len().div_ceil(room.max(1)).max(1);
    let means: Vec<f64> =
        numbers.chunks(each).map(|chunk| chunk.iter().sum::<f64>() / chunk.len() as f64).collect();
    let most = means.iter().copied().fold(0.0, f64::max);
    let level = |number: &f64| {
        let share = if most > 0.0 { number / most } else { 0.0 };
        LEVELS[((share * 7.0).round() as usize).min(7)]
    };
    means.iter().map(level).collect()
}

/// A bar as long as the number's share of `most`, drawn in eighths of a character.
pub(super) fn bar(number: f64, most: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = if most > 0.0 { (number / most).clamp(0.0, 1.0) } else { 0.0 };
    let eighths = (share * width as f64 * 8.0).round() as usize;
    // A number above 0 is always visible.
    let eighths = if number > 0.0 { eighths.max(1) } else { 0 };
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_share() {
        assert_eq!(bar(8.0, 8.0, 4), "████");
        assert_eq!(bar(1.0, 8.0, 4), "▌");
        assert_eq!(bar(0.001, 8.0, 4), "▏");
        assert_eq!(bar(0.0, 8.0, 4), "");
        assert_eq!(bar(0.0, 0.0, 4), "");
    }

    #[test]
    fn sparklines_start_at_zero_and_fit_their_room() {
        assert_eq!(sparkline(&[0.0, 3.5, 7.0], 10), "▁▅█");
        assert_eq!(sparkline(&[0.0, 0.0], 10), "▁▁");
        assert_eq!(sparkline(&[1.0; 100], 30).chars().count(), 25);
    }
}
