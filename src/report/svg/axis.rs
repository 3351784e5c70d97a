//! From values to places on the page.

use super::ticks::{Tick, linear, logarithmic};

/// An axis with its range and its place.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    log: bool,
    low: f64,
    high: f64,
    /// Where `low` lies on the page.
    from: f64,
    /// Where `high` lies on the page.
    to: f64,
}

impl Axis {
    /// The axis that shows these values, with a margin; a single value stands in the middle. Without a value it shows
    /// 0 to 1 (1 to 10 if logarithmic). Values must be positive if it is logarithmic.
    pub(super) fn new(values: impl Iterator<Item = f64>, log: bool, margin: f64, from: f64, to: f64) -> Self {
        let (mut low, mut high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
        if low > high {
            (low, high) = if log { (1.0, 10.0) } else { (0.0, 1.0) };
        }
        if log {
            (low, high) = (low.ln(), high.ln());
        }
        let width = high - low;
        if width <= 1e-12 * low.abs().max(high.abs()).max(1e-300) {
            let around = if log { 1.0 } else { (0.5 * low.abs()).max(0.5 * f64::from(u8::from(low == 0.0))) };
            (low, high) = (low - around, high + around);
        } else {
            // Room beside the data, but no room below zero for values that are not.
            let floor = if !log && low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
            (low, high) = ((low - margin * width).max(floor), high + margin * width);
        }
        Self { log, low, high, from, to }
    }

    /// Where a value lies on the page.
    pub(super) fn place(&self, value: f64) -> f64 {
        let value = if self.log { value.ln() } else { value };
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Whether a value can be shown at all.
    pub(super) fn holds(&self, value: f64) -> bool {
        value.is_finite() && (!self.log || value > 0.0)
    }

    /// The place of a value that may lie outside: at the edge then.
    pub(super) fn place_within(&self, value: f64) -> f64 {
        let (low, high) = (self.from.min(self.to), self.from.max(self.to));
        if self.holds(value) { self.place(value).clamp(low, high) } else { self.from }
    }

    /// The ticks, about one every `spacing`.
    pub(super) fn ticks(&self, spacing: f64) -> Vec<Tick> {
        if self.log {
            return logarithmic(self.low.exp(), self.high.exp());
        }
        linear(self.low, self.high, ((self.to - self.from).abs() / spacing) as usize)
    }
}
