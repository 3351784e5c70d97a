//! Every measured value, one per line.

use crate::lower::{Outline, Training};
use crate::run::Outcome;

/// The histories in long form: the swept names, `step`, `quantity`, `value`. Fields with commas, quotes or line breaks
/// stand in quotes (RFC 4180).
pub(super) fn csv(outline: &Outline, outcomes: &[Outcome]) -> String {
    let names: Vec<&str> = outline.sweep.iter().map(|(name, _)| name.as_str()).collect();
    let mut text = line(names.iter().copied().chain(["step", "quantity", "value"]));
    for outcome in outcomes {
        let measured = outcome.quantities.iter().any(|series| series.name == Training::OBJECTIVE);
        let objective = (!measured).then_some(&outcome.objective);
        for series in outcome.quantities.iter().chain(objective) {
            for (step, value) in &series.points {
                let labels = names.iter().map(|name| outcome.label(name).unwrap_or(""));
                text += &line(labels.chain([step.to_string().as_str(), &series.name, &value.to_string()]));
            }
        }
    }
    text
}

fn line<'a>(fields: impl Iterator<Item = &'a str>) -> String {
    let quoted = |field: &str| {
        if field.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field.to_owned()
        }
    };
    fields.map(quoted).collect::<Vec<_>>().join(",") + "\n"
}
