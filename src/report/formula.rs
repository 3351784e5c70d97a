//! Formulas of measured values.

use super::estimate::Estimate;
use crate::lower::{Arithmetic, Formula, Outline};
use crate::run::Outcome;

/// The cells that a claim looks at.
pub(super) struct Cells<'a> {
    pub(super) outline: &'a Outline,
    pub(super) outcomes: &'a [Outcome],
    /// The step whose values count; `None` for the last ones.
    pub(super) at: Option<&'a Formula>,
    /// The labels of every choice of the averaged names.
    pub(super) replicates: &'a [Vec<(String, String)>],
}

impl Cells<'_> {
    /// The cells with these labels.
    fn matching<'s>(&'s self, labels: &'s [(String, String)]) -> impl Iterator<Item = &'s Outcome> {
        let fits = move |outcome: &&Outcome| labels.iter().all(|(name, label)| outcome.label(name) == Some(label));
        self.outcomes.iter().filter(fits)
    }

    /// A formula in the cells with these labels, or why it has no value there.
    pub(super) fn value(&self, formula: &Formula, labels: &[(String, String)]) -> Result<f64, String> {
        match formula {
            Formula::Number(value) => Ok(*value),
            Formula::Known(name) => self.known(name, labels),
            Formula::Quantity(name, chosen) => {
                // A chosen value stands before that of `by`, so that one value can be compared with each.
                let free = labels.iter().filter(|(name, _)| !chosen.iter().any(|(other, _)| other == name));
                self.quantity(name, &free.chain(chosen).cloned().collect::<Vec<_>>())
            }
            Formula::Arithmetic(operation, parts) => {
                let values = parts.iter().map(|part| self.value(part, labels)).collect::<Result<Vec<_>, _>>()?;
                let (a, b) = (values[0], values.last().copied().unwrap_or_default());
                Ok(apply(*operation, a, b))
            }
            Formula::StandardError(of) => {
                let values =
                    self.replicates.iter().map(|labels| self.value(of, labels)).collect::<Result<Vec<_>, _>>()?;
                let error = Estimate::of(&values).and_then(|estimate| estimate.error);
                error.ok_or_else(|| "one value has no standard error".to_owned())
            }
            Formula::Slope(of, against) => self.slope(of, against, labels),
        }
    }

    fn known(&self, name: &str, labels: &[(String, String)]) -> Result<f64, String> {
        let find = |outcome: &Outcome| outcome.known.iter().find(|(known, _)| known == name).map(|(_, value)| *value);
        let mut values = self.matching(labels).filter_map(find);
        let first = values.next().ok_or_else(|| format!("`{name}` has no value"))?;
        if values.any(|value| value != first) {
            return Err(format!("`{name}` differs from cell to cell"));
        }
        Ok(first)
    }

    fn quantity(&self, name: &str, labels: &[(String, String)]) -> Result<f64, String> {
        let cell = self.matching(labels).next().ok_or("a cell is missing")?;
        let missing = || format!("`{name}` was not measured");
        let series = cell.quantity(name).ok_or_else(missing)?;
        let Some(step) = self.at else {
            return if cell.stopped() {
                Err("a cell stopped before its end".to_owned())
            } else {
                series.last().ok_or_else(missing)
            };
        };
        let step = self.value(step, labels)?;
        let point = series.points.iter().find(|point| point.0 as f64 == step);
        point.map(|point| point.1).ok_or_else(|| match cell.steps {
            made if (made as f64) < step => format!("step {step} was not reached"),
            _ => format!("`{name}` was not measured at step {step}"),
        })
    }

    /// Least squares: Σ(x − x̄)(y − ȳ)/Σ(x − x̄)² with x = ln n, y = ln q.
    fn slope(&self, of: &Formula, against: &str, labels: &[(String, String)]) -> Result<f64, String> {
        let swept = self.outline.sweep.iter().find(|(name, _)| name == against);
        let mut points = Vec::new();
        for label in swept.iter().flat_map(|(_, labels)| labels) {
            let x: f64 = label.replace('_', "").parse().map_err(|_| format!("`{label}` is no number"))?;
            let y = self.value(of, &[labels, &[(against.to_owned(), label.clone())]].concat())?;
            if x <= 0.0 || y <= 0.0 {
                return Err("the logarithm of a value that is not positive".to_owned());
            }
            points.push((x.ln(), y.ln()));
        }
        let n = points.len() as f64;
        let (x, y) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
        let across: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
        Ok(across / points.iter().map(|p| (p.0 - x) * (p.0 - x)).sum::<f64>())
    }
}

fn apply(operation: Arithmetic, a: f64, b: f64) -> f64 {
    match operation {
        Arithmetic::Negate => -a,
        Arithmetic::Absolute => a.abs(),
        Arithmetic::Root => a.sqrt(),
        Arithmetic::Exp => a.exp(),
        Arithmetic::Log => a.ln(),
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
        Arithmetic::Power => a.powf(b),
        Arithmetic::Min => a.min(b),
        Arithmetic::Max => a.max(b),
    }
}
