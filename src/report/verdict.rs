//! Expectations beside what was found.

use super::estimate::Estimate;
use super::formula::Cells;
use super::table::Table;
use crate::lower::{Arithmetic, Claim, Expectation, Formula, Order, Outline};
use crate::run::Outcome;
use crate::source::SourceMap;

/// Whether an expectation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It does.
    Holds,
    /// It does not.
    Fails,
    /// What was measured does not say.
    Open,
}

/// An expectation, at one value of each name after `by`, beside what was found.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The values of the names after `by`.
    pub labels: Vec<(String, String)>,
    /// The statement as it is written, on one line.
    pub expected: String,
    /// The claim and its moment, without the clauses.
    pub claim: String,
    /// The estimates that the claim compares, as text.
    pub found: String,
    /// The mean of the value that the claim is about, and its standard error over the averaged names.
    pub value: Option<(f64, Option<f64>)>,
    /// Whether it holds.
    pub answer: Answer,
    /// By how much, or why it is open.
    pub note: String,
    /// The line of the file.
    pub line: Option<usize>,
}

/// What is known of every expectation.
///
/// A claim is about means over the names after `mean over`: it holds when the mean of the difference of its two sides has
/// the sign that it says. The note gives that mean in its standard errors, from the differences cell by cell, so that a
/// seed which is good for both sides does not count twice.
pub fn verdicts(outline: &Outline, sources: &SourceMap, outcomes: &[Outcome]) -> Vec<Verdict> {
    outline.expectations.iter().flat_map(|e| of_expectation(e, outline, sources, outcomes)).collect()
}

/// Verdicts as a table; nothing without any.
pub fn verdict_table(verdicts: &[Verdict]) -> Option<Table> {
    let rows = verdicts.iter().map(|verdict| {
        let labels: Vec<String> = verdict.labels.iter().map(|(name, label)| format!("{name} = {label}")).collect();
        let of = if labels.is_empty() { String::new() } else { format!("  where {}", labels.join(", ")) };
        let answer = match verdict.answer {
            Answer::Holds => "holds",
            Answer::Fails => "fails",
            Answer::Open => "open",
        };
        vec![verdict.claim.clone() + &of, verdict.found.clone(), format!("{answer}{}", verdict.note)]
    });
    let head = ["expected", "found", "verdict"].map(str::to_owned).to_vec();
    let averaged = verdicts.iter().any(|verdict| verdict.value.is_some_and(|(_, error)| error.is_some()));
    let note = if averaged { "mean ± standard error (s.e.); a claim holds or fails by so many of them" } else { "" };
    (!verdicts.is_empty()).then(|| Table { head, rows: rows.collect(), labels: 3, note: note.to_owned() })
}

fn of_expectation(
    expectation: &Expectation,
    outline: &Outline,
    sources: &SourceMap,
    outcomes: &[Outcome],
) -> Vec<Verdict> {
    let one_line = |span| sources.text(span).split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = one_line(expectation.span);
    let expected = expected.strip_prefix("expect ").unwrap_or(&expected).to_owned();
    let claim = one_line(expectation.claim_span);
    let line = sources.location(expectation.span.start).map(|at| at.line);
    let verdict = |labels: Vec<(String, String)>| {
        let found = weigh(expectation, outline, outcomes, &labels);
        let (found, value, answer, note) = match found {
            Ok(weighed) => {
                (weighed.found, Some((weighed.value.mean, weighed.value.error)), weighed.answer, weighed.note)
            }
            Err(why) => ("–".to_owned(), None, Answer::Open, format!(", {why}")),
        };
        Verdict { labels, expected: expected.clone(), claim: claim.clone(), found, value, answer, note, line }
    };
    choices(&expectation.by, outline).into_iter().map(verdict).collect()
}

/// Every choice of a value for each of the names.
fn choices(names: &[String], outline: &Outline) -> Vec<Vec<(String, String)>> {
    let mut all = vec![Vec::new()];
    for name in names {
        let labels = outline.sweep.iter().find(|(swept, _)| swept == name).map_or(&[][..], |(_, labels)| labels);
        let longer = |chosen: &Vec<(String, String)>| {
            let one = |label: &String| [chosen.as_slice(), &[(name.clone(), label.clone())]].concat();
            labels.iter().map(one).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all
}

struct Weighed {
    found: String,
    value: Estimate,
    answer: Answer,
    note: String,
}

/// A claim in numbers, one per choice of the averaged names.
struct Sides<'f> {
    /// What it is about.
    value: Vec<f64>,
    /// What that is compared with, each behind a word.
    others: Vec<(&'static str, &'f Formula, Vec<f64>)>,
    /// What lies between the value and the claim's being false: it holds where all of these are positive.
    margins: Vec<Vec<f64>>,
    /// Whether a margin of zero is too little.
    strict: bool,
}

fn sides(claim: &Claim, each: impl Fn(&Formula) -> Result<Vec<f64>, String>) -> Result<Sides<'_>, String> {
    let minus = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a - b).collect() };
    let plus = |a: &[f64], b: &[f64]| -> Vec<f64> { a.iter().zip(b).map(|(a, b)| a + b).collect() };
    Ok(match claim {
        Claim::Order(left, order, right) => {
            let (a, b) = (each(left)?, each(right)?);
            let margin = match order {
                Order::Less | Order::AtMost => minus(&b, &a),
                Order::Greater | Order::AtLeast => minus(&a, &b),
            };
            let strict = matches!(order, Order::Less | Order::Greater);
            Sides { value: a, others: vec![("against", right, b)], margins: vec![margin], strict }
        }
        Claim::Near(value, middle, radius) => {
            let (x, m, r) = (each(value)?, each(middle)?, each(radius)?);
            let margins = vec![minus(&x, &minus(&m, &r)), minus(&plus(&m, &r), &x)];
            Sides { value: x, others: vec![("about", middle, m), ("within", radius, r)], margins, strict: false }
        }
        Claim::Between(value, from, to) => {
            let (x, a, b) = (each(value)?, each(from)?, each(to)?);
            let margins = vec![minus(&x, &a), minus(&b, &x)];
            Sides { value: x, others: vec![("above", from, a), ("below", to, b)], margins, strict: false }
        }
    })
}

/// The claim at one value of each name after `by`, or why it stays open.
fn weigh(
    expectation: &Expectation,
    outline: &Outline,
    outcomes: &[Outcome],
    by: &[(String, String)],
) -> Result<Weighed, String> {
    let replicates: Vec<Vec<(String, String)>> =
        choices(&expectation.mean_over, outline).into_iter().map(|over| [by, over.as_slice()].concat()).collect();
    let cells = Cells { outline, outcomes, at: expectation.at.as_ref(), replicates: &replicates };
    let each = |formula: &Formula| replicates.iter().map(|labels| cells.value(formula, labels)).collect();
    let sides = sides(&expectation.claim, each)?;
    let estimate = |values: &[f64]| Estimate::of(values).ok_or_else(|| "no cell was run".to_owned());
    let value = estimate(&sides.value)?;
    let margins = sides.margins.iter().map(|margin| estimate(margin)).collect::<Result<Vec<_>, _>>()?;
    if !margins.iter().all(|margin| margin.mean.is_finite()) {
        return Err("its value is not finite".to_owned());
    }
    let nearest = margins.into_iter().min_by(|a, b| a.mean.total_cmp(&b.mean)).ok_or("it claims nothing")?;
    let holds = if sides.strict { nearest.mean > 0.0 } else { nearest.mean >= 0.0 };
    let note = match nearest.error {
        Some(error) if error > 0.0 => {
            format!(" by {} s.e.", super::number::significant(nearest.mean.abs() / error, 2))
        }
        _ => String::new(),
    };
    let mut found = vec![value.text()];
    // Numbers stand in the claim itself; what was measured or worked out is shown.
    for (word, _, values) in sides.others.iter().filter(|(_, formula, _)| !is_written(formula)) {
        found.extend([(*word).to_owned(), estimate(values)?.text()]);
    }
    let answer = if holds { Answer::Holds } else { Answer::Fails };
    Ok(Weighed { found: found.join(" "), value, answer, note })
}

/// Whether a formula is a number, with or without a sign.
fn is_written(formula: &Formula) -> bool {
    match formula {
        Formula::Number(_) => true,
        Formula::Arithmetic(Arithmetic::Negate, of) => of.iter().all(is_written),
        _ => false,
    }
}
