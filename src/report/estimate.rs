//! A mean with its standard error.

use super::number::significant;

/// The mean of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Estimate {
    /// The mean.
    pub(super) mean: f64,
    /// The standard error of the mean; none for one value.
    pub(super) error: Option<f64>,
    /// The number of values.
    pub(super) count: usize,
}

impl Estimate {
    /// The estimate from independent values, if there are any: mean and √(Σ(x − mean)²/(n(n − 1))).
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
        let error = (values.len() > 1).then(|| (squares / (n * (n - 1.0))).sqrt());
        Some(Self { mean, error, count: values.len() })
    }

    /// `0.01234 ± 0.00056`
    pub(super) fn text(&self) -> String {
        match self.error {
            Some(error) if error != 0.0 || self.mean == 0.0 => {
                format!("{} ± {}", significant(self.mean, 4), significant(error, 2))
            }
            _ => significant(self.mean, 4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_error_of_three_values() {
        let found = Estimate::of(&[1.0, 2.0, 3.0]).expect("values");
        assert_eq!((found.mean, found.count), (2.0, 3));
        assert!((found.error.expect("several") - (1.0_f64 / 3.0).sqrt()).abs() < 1e-15);
        assert_eq!(found.text(), "2.000 ± 0.58");
        assert_eq!(Estimate::of(&[5.0]).expect("a value").text(), "5.000");
        assert!(Estimate::of(&[]).is_none());
    }
}
