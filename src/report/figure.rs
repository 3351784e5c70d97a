//! From outcomes to curves.

use std::collections::BTreeMap;

use super::estimate::Estimate;
use super::svg::{Chart, Curve, Point, Scale, Spread};
use super::table::{Row, row_names, rows};
use crate::lower::{Figure, Outline};
use crate::run::{Outcome, Series};

/// The chart that the file asks for: a curve per quantity and per value of the names after `by`; over the names after
/// `mean over`, the mean with its standard error. Against a measured quantity, a point is what was measured at one step.
pub fn chart(figure: &Figure, outline: &Outline, outcomes: &[Outcome]) -> Chart {
    let against = figure.against.as_deref().unwrap_or("step");
    let swept = outline.sweep.iter().find(|(name, _)| name == against);
    let names = row_names(figure, outline);
    let abscissa = swept.map(|(_, labels)| Abscissa::new(labels));

    let mut curves = Vec::new();
    let mut averaged = 1;
    for row in rows(&names, outcomes) {
        for quantity in &figure.quantities {
            let points = match &abscissa {
                Some(abscissa) => abscissa.points(against, &row, quantity),
                None if against == "step" => points_by_step(&row, quantity),
                None => points_by_quantity(against, &row, quantity),
            };
            averaged = averaged.max(points.iter().map(|point| point.1.count).max().unwrap_or(1));
            let points = points.into_iter().map(|(x, y)| Point { x, y: y.mean, error: y.error }).collect();
            curves.push(Curve { label: curve_label(figure, quantity, &names, &row), points });
        }
    }
    let mut notes = Vec::new();
    if averaged > 1 {
        let shown = if abscissa.is_some() { "bars" } else { "band" };
        notes.push(format!("mean over {} (n = {averaged}), {shown}: ± standard error", figure.mean_over.join(", ")));
    }
    let log = |axis: &str| figure.log.iter().any(|name| name == axis);
    Chart {
        x: Scale {
            label: against.to_owned(),
            log: log("x"),
            ticks: abscissa.as_ref().map(Abscissa::ticks),
            range: abscissa.as_ref().and_then(|a| a.range),
        },
        y: Scale { label: figure.quantities.join(", "), log: log("y"), ..Scale::default() },
        curves,
        spread: if abscissa.is_some() { Spread::Bars } else { Spread::Band },
        notes,
    }
}

/// What tells the curve from the others: `error · first · d = 20`.
fn curve_label(figure: &Figure, quantity: &str, names: &[String], row: &Row<'_>) -> String {
    let quantity = (figure.quantities.len() > 1).then(|| quantity.to_owned());
    let labels = names.iter().zip(&row.labels).map(|(name, label)| match label.replace('_', "").parse::<f64>() {
        Ok(_) => format!("{name} = {label}"),
        Err(_) => label.clone(),
    });
    quantity.into_iter().chain(labels).collect::<Vec<_>>().join(" · ")
}

fn points_by_step(row: &Row<'_>, quantity: &str) -> Vec<(f64, Estimate)> {
    let mut at: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (step, value) in row.cells.iter().filter_map(|cell| cell.quantity(quantity)).flat_map(|s| &s.points) {
        at.entry(*step).or_default().push(*value);
    }
    at.into_iter().filter_map(|(step, values)| Some((step as f64, Estimate::of(&values)?))).collect()
}

/// A measured quantity as the horizontal axis, from left to right.
fn points_by_quantity(against: &str, row: &Row<'_>, quantity: &str) -> Vec<(f64, Estimate)> {
    let mut abscissas = points_by_step(row, against).into_iter().peekable();
    let mut points = Vec::new();
    for (step, y) in points_by_step(row, quantity) {
        while abscissas.next_if(|(other, _)| *other < step).is_some() {}
        points.extend(abscissas.next_if(|(other, _)| *other == step).map(|(_, x)| (x.mean, y)));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

/// A swept name as the horizontal axis: numbers at their values, other labels side by side.
struct Abscissa {
    positions: Vec<(String, f64)>,
    range: Option<[f64; 2]>,
}

impl Abscissa {
    fn new(labels: &[String]) -> Self {
        let numbers: Option<Vec<f64>> = labels.iter().map(|label| label.replace('_', "").parse().ok()).collect();
        let numbers = numbers.filter(|numbers| numbers.iter().all(|x: &f64| x.is_finite()));
        let range = numbers.is_none().then_some([0.5, labels.len() as f64 + 0.5]);
        let numbers = numbers.unwrap_or_else(|| (1..=labels.len()).map(|i| i as f64).collect());
        let mut positions: Vec<_> = labels.iter().cloned().zip(numbers).collect();
        positions.sort_by(|a, b| a.1.total_cmp(&b.1));
        Self { positions, range }
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        self.positions.iter().map(|(label, x)| (*x, label.clone())).collect()
    }

    fn points(&self, against: &str, row: &Row<'_>, quantity: &str) -> Vec<(f64, Estimate)> {
        let mut points = Vec::new();
        for (label, x) in &self.positions {
            let here = row.cells.iter().filter(|cell| cell.label(against) == Some(label));
            let last = here.filter_map(|cell| cell.quantity(quantity).and_then(Series::last));
            points.extend(Estimate::of(&last.collect::<Vec<_>>()).map(|estimate| (*x, estimate)));
        }
        points
    }
}
