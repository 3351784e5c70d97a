//! Tables of last values.

use super::estimate::Estimate;
use super::html::escape;
use crate::lower::{Figure, Outline};
use crate::run::Outcome;

/// A table of texts, a head and rows of equal length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The heads of the columns.
    pub head: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<String>>,
    /// How many columns, from the left, hold labels rather than numbers.
    pub labels: usize,
    /// What stands below it; empty if there is nothing to say.
    pub note: String,
}

/// Cells that agree in some swept names.
pub(super) struct Row<'a> {
    /// The labels of these names, in order.
    pub(super) labels: Vec<String>,
    /// The cells, in the order of the sweep.
    pub(super) cells: Vec<&'a Outcome>,
}

/// The swept names that tell rows or curves apart: those after `by`, then those that nothing binds.
pub(super) fn row_names(figure: &Figure, outline: &Outline) -> Vec<String> {
    let mut names: Vec<String> = figure.by.clone();
    for (name, _) in &outline.sweep {
        let bound =
            figure.by.contains(name) || figure.mean_over.contains(name) || figure.against.as_ref() == Some(name);
        if !bound {
            names.push(name.clone());
        }
    }
    names.retain(|name| outline.sweep.iter().any(|(swept, _)| swept == name));
    names
}

/// The cells, grouped by the labels of these names, in the order in which the labels first occur.
pub(super) fn rows<'a>(names: &[String], outcomes: &'a [Outcome]) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    for outcome in outcomes {
        let labels: Vec<String> = names.iter().map(|n| outcome.label(n).unwrap_or("").to_owned()).collect();
        match rows.iter_mut().find(|row| row.labels == labels) {
            Some(row) => row.cells.push(outcome),
            None => rows.push(Row { labels, cells: vec![outcome] }),
        }
    }
    rows
}

/// The table that the file asks for: a row per value of the names after `by`, the mean of the last values with its
/// standard error over all cells of the row.
pub fn table(figure: &Figure, outline: &Outline, outcomes: &[Outcome]) -> Table {
    let names = row_names(figure, outline);
    let mut averaged = 1;
    let mut body = Vec::new();
    for row in rows(&names, outcomes) {
        let mut texts = row.labels.clone();
        for quantity in &figure.quantities {
            let last = |outcome: &&Outcome| outcome.quantity(quantity)?.last();
            let values: Vec<f64> = row.cells.iter().filter_map(last).collect();
            averaged = averaged.max(values.len());
            texts.push(Estimate::of(&values).map_or_else(|| "–".to_owned(), |estimate| estimate.text()));
        }
        body.push(texts);
    }
    let note = if averaged > 1 {
        format!("mean ± standard error over {} ({averaged} values)", figure.mean_over.join(", "))
    } else {
        String::new()
    };
    let labels = names.len();
    Table { head: names.into_iter().chain(figure.quantities.iter().cloned()).collect(), rows: body, labels, note }
}

/// The last value of every quantity in every cell: what a file without a `table` shows.
pub fn last_values(outline: &Outline, outcomes: &[Outcome]) -> Table {
    let mut quantities: Vec<String> = Vec::new();
    for series in outcomes.iter().flat_map(|outcome| &outcome.quantities) {
        if !quantities.contains(&series.name) {
            quantities.push(series.name.clone());
        }
    }
    if quantities.is_empty() {
        return last_objectives(outline, outcomes);
    }
    let by = outline.sweep.iter().map(|(name, _)| name.clone()).collect();
    let figure =
        Figure { quantities, against: None, by, mean_over: vec![], log: vec![], span: crate::source::Span::NONE };
    table(&figure, outline, outcomes)
}

/// What is left to show where nothing is measured.
fn last_objectives(outline: &Outline, outcomes: &[Outcome]) -> Table {
    let names: Vec<String> = outline.sweep.iter().map(|(name, _)| name.clone()).collect();
    let mut body = Vec::new();
    for outcome in outcomes {
        if let Some(value) = outcome.objective.last() {
            let mut texts: Vec<String> = outcome.labels.iter().map(|(_, label)| label.clone()).collect();
            texts.push(super::number::significant(value, 4));
            body.push(texts);
        }
    }
    let labels = names.len();
    Table { head: names.into_iter().chain(["objective".to_owned()]).collect(), rows: body, labels, note: String::new() }
}

impl Table {
    /// Aligned text, a line per row: labels to the left, numbers to the right. Empty for a table without rows.
    pub fn text(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let length = |text: &String| text.chars().count();
        let columns = 0..self.head.len();
        let longest = |c: usize| self.rows.iter().map(|row| length(&row[c])).max().unwrap_or(0);
        let widths: Vec<usize> = columns.map(|c| longest(c).max(length(&self.head[c]))).collect();
        let mut text = String::new();
        let rule: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
        for line in [&self.head, &rule].into_iter().chain(&self.rows) {
            let mut shown = String::new();
            for (c, entry) in line.iter().enumerate() {
                let pad = " ".repeat(widths[c] - length(entry));
                let parts = if c < self.labels { [entry.as_str(), &pad] } else { [&pad, entry.as_str()] };
                shown += if c == 0 { "" } else { "  " };
                shown += &parts.concat();
            }
            text += shown.trim_end();
            text.push('\n');
        }
        if !self.note.is_empty() {
            text += &self.note;
            text.push('\n');
        }
        text
    }

    /// An HTML `table` element.
    pub fn html(&self) -> String {
        let row = |entries: &[String], tag: &str| {
            let cell = |(c, entry): (usize, &String)| {
                let class = if c < self.labels { "" } else { " class=\"number\"" };
                format!("<{tag}{class}>{}</{tag}>", escape(entry))
            };
            format!("<tr>{}</tr>\n", entries.iter().enumerate().map(cell).collect::<String>())
        };
        let body: String = self.rows.iter().map(|entries| row(entries, "td")).collect();
        let note = if self.note.is_empty() {
            String::new()
        } else {
            format!("<p class=\"note\">{}</p>\n", escape(&self.note))
        };
        format!("<table>\n<thead>{}</thead>\n<tbody>\n{body}</tbody>\n</table>\n{note}", row(&self.head, "th"))
    }
}
