//! Medians, quantiles and spread.

/// The value that a share of the others is below, of sorted values: 0 gives the lowest, 1 the highest. NaN where there is none.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1) as f64;
    sorted.get((last * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// The value in the middle of sorted values, or between the two there. NaN where there is none.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[len / 2],
        len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
    }
}

/// The same of values that may be none.
pub(crate) fn any_median(sorted: &[f64]) -> Option<f64> {
    (!sorted.is_empty()).then(|| median(sorted))
}

/// From the lowest to the highest, as a share of the median; none of a single value.
pub(crate) fn spread(sorted: &[f64]) -> Option<f64> {
    (sorted.len() > 1).then(|| (quantile(sorted, 1.0) - quantile(sorted, 0.0)) / median(sorted))
}

/// The slope of the straight line that fits points best (least squares).
pub(crate) fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / count, b + y / count));
    let (xy, xx) = points.iter().fold((0.0, 0.0), |(a, b), (px, py)| (a + (px - x) * (py - y), b + (px - x).powi(2)));
    xy / xx
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_there() {
        let hundred: Vec<f64> = (0..=100).map(f64::from).collect();
        for (share, value) in [(0.0, 0.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            assert!((quantile(&hundred, share) - value).abs() < 1e-9, "{share}");
        }
        assert!((quantile(&[3.0], 0.99) - 3.0).abs() < 1e-9);
        assert!(quantile(&[], 0.5).is_nan() && median(&[]).is_nan());
        assert!(spread(&[]).is_none() && spread(&[3.0]).is_none());
    }

    #[test]
    fn the_median_of_an_even_number_is_between_two() {
        assert!((median(&[1.0, 2.0, 10.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[1.0, 2.0, 4.0, 10.0]) - 3.0).abs() < 1e-9);
        assert!((spread(&[0.9, 1.0, 1.2]).unwrap() - 0.3).abs() < 1e-9);
    }

    #[test]
    fn a_straight_line_gives_its_slope() {
        assert!((slope(&[(1.0, 110.0), (2.0, 160.0), (16.0, 860.0)]) - 50.0).abs() < 1e-9);
    }
}
