//! What a run of a cell leaves.

use ndarray::ArrayD;

use super::NonFinite;
use crate::backend::Lost;

/// A quantity and its history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// As the file spells it.
    pub name: String,
    /// (optimiser steps made, value), in the order of time.
    pub points: Vec<(u64, f64)>,
}

impl Series {
    /// A quantity that was not measured yet.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), points: Vec::new() }
    }

    /// The value measured last.
    pub fn last(&self) -> Option<f64> {
        self.points.last().map(|point| point.1)
    }
}

/// Wall time of the training steps: program and optimisers, without measurements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timing {
    /// The steps made.
    pub steps: u64,
    /// Seconds, the middle one.
    pub median: f64,
    /// Seconds, averaged.
    pub mean: f64,
}

impl Timing {
    /// The timing of steps that took these seconds; none if there are none.
    pub fn of(mut seconds: Vec<f64>) -> Option<Self> {
        let count = seconds.len();
        if count == 0 {
            return None;
        }
        let mean = seconds.iter().sum::<f64>() / count as f64;
        seconds.sort_by(f64::total_cmp);
        let median = f64::midpoint(seconds[(count - 1) / 2], seconds[count / 2]);
        Some(Self { steps: count as u64, median, mean })
    }
}

/// The result of a cell.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The chosen value of every swept name, as (name, label).
    pub labels: Vec<(String, String)>,
    /// The seed of the run.
    pub seed: u64,
    /// The values of names that expectations use, known before the run.
    pub known: Vec<(String, f64)>,
    /// Every measured quantity, in the order of the file.
    pub quantities: Vec<Series>,
    /// The objective of the training, at a hundred steps or so; empty without a training.
    pub objective: Series,
    /// The time per training step.
    pub timing: Option<Timing>,
    /// Optimiser steps made.
    pub steps: u64,
    /// The parameters by name, as of the last finite step.
    pub parameters: Vec<(String, ArrayD<f64>)>,
    /// Why the run stopped before its end.
    pub failure: Option<NonFinite>,
    /// The device that was lost before its end.
    pub lost: Option<Lost>,
}

impl Outcome {
    /// Whether the run stopped before its end.
    pub fn stopped(&self) -> bool {
        self.failure.is_some() || self.lost.is_some()
    }

    /// The quantity with this name.
    pub fn quantity(&self, name: &str) -> Option<&Series> {
        self.quantities.iter().find(|series| series.name == name)
    }

    /// The label of a swept name.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|label| label.0 == name).map(|label| label.1.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between_the_two_in_the_middle() {
        assert_eq!(Timing::of(vec![4.0, 1.0, 2.0, 9.0]), Some(Timing { steps: 4, median: 3.0, mean: 4.0 }));
        assert_eq!(Timing::of(vec![2.0]), Some(Timing { steps: 1, median: 2.0, mean: 2.0 }));
        assert_eq!(Timing::of(Vec::new()), None);
    }
}
