//! Results for other programs.

use serde_json::{Map, Value, json};

use super::{Answer, Experiment, Verdict};
use crate::run::{NonFinite, Outcome, Series};
use crate::source::SourceMap;

/// One object: what was run, and per cell the labels, every quantity with its last value and its history
/// `[[step, value], …]`, the objective likewise, and the seconds per training step; and what became of every expectation.
pub fn results(experiment: &Experiment<'_>) -> Value {
    let cells: Vec<Value> = experiment.outcomes.iter().map(|outcome| cell(outcome, experiment.sources)).collect();
    let overrides: Map<String, Value> =
        experiment.overrides.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "socrun": env!("CARGO_PKG_VERSION"),
        "file": experiment.file,
        "hash": experiment.hash(),
        "backend": experiment.backend,
        "threads": experiment.threads,
        "seed": experiment.seed,
        "with": experiment.profile,
        "set": overrides,
        "status": experiment.status(),
        "cells": cells,
        "expectations": expectations(experiment),
    })
}

/// One object per expectation.
pub fn expectations(experiment: &Experiment<'_>) -> Value {
    experiment.verdicts().iter().map(expectation).collect()
}

/// `holds` is null where what was measured does not say.
fn expectation(verdict: &Verdict) -> Value {
    let labels: Map<String, Value> = verdict.labels.iter().map(|(name, label)| (name.clone(), json!(label))).collect();
    json!({
        "expected": verdict.expected,
        "labels": labels,
        "found": verdict.found,
        "value": verdict.value.map(|(mean, _)| mean),
        "standard_error": verdict.value.and_then(|(_, error)| error),
        "holds": match verdict.answer {
            Answer::Holds => Some(true),
            Answer::Fails => Some(false),
            Answer::Open => None,
        },
        "note": verdict.note.trim_start_matches(',').trim(),
        "line": verdict.line,
    })
}

fn cell(outcome: &Outcome, sources: &SourceMap) -> Value {
    let labels: Map<String, Value> = outcome.labels.iter().map(|(name, label)| (name.clone(), json!(label))).collect();
    let quantities: Map<String, Value> = outcome.quantities.iter().map(|s| (s.name.clone(), series(s))).collect();
    json!({
        "labels": labels,
        "seed": outcome.seed,
        "steps": outcome.steps,
        "quantities": quantities,
        "objective": series(&outcome.objective),
        "seconds_per_step": outcome.timing.map(|timing| json!({ "median": timing.median, "mean": timing.mean })),
        "failure": outcome.failure.as_ref().map(|failure| failed(failure, sources)),
    })
}

fn series(series: &Series) -> Value {
    json!({ "last": series.last(), "history": series.points })
}

fn failed(failure: &NonFinite, sources: &SourceMap) -> Value {
    let place = sources.location(failure.span.start);
    json!({
        "code": "soc::nonfinite",
        "message": failure.to_string(),
        "expression": sources.text(failure.span),
        "file": place.as_ref().map(|place| &place.file),
        "line": place.as_ref().map(|place| place.line),
        "column": place.as_ref().map(|place| place.column),
        "kept_steps": failure.kept,
    })
}
