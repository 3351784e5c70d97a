//! The record of a run: what it takes to make it again, and what came out.

use std::collections::BTreeMap;

use ron::ser::PrettyConfig;
use serde::Serialize;

use super::Experiment;
use super::experiment::{data_hash, hash_of};

#[derive(Serialize)]
struct Manifest<'a> {
    socrun: &'a str,
    platform: String,
    file: &'a str,
    hash: String,
    backend: &'a str,
    threads: usize,
    seed: u64,
    with: Option<&'a str>,
    set: Vec<Setting<'a>>,
    status: &'a str,
    cells: Vec<CellRecord<'a>>,
    modules: Vec<Module<'a>>,
    text: &'a str,
}

#[derive(Serialize)]
struct Setting<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct CellRecord<'a> {
    labels: Vec<Setting<'a>>,
    seed: u64,
    steps: u64,
    last: BTreeMap<&'a str, f64>,
    failure: Option<String>,
}

#[derive(Serialize)]
struct Module<'a> {
    name: &'a str,
    sha256: String,
}

/// The manifest in RON. Texts stand raw, so that the experiment can be read in it.
pub(super) fn ron(experiment: &Experiment<'_>) -> Result<String, ron::Error> {
    let cells = experiment.outcomes.iter().map(|outcome| CellRecord {
        labels: outcome.labels.iter().map(|(name, value)| Setting { name, value }).collect(),
        seed: outcome.seed,
        steps: outcome.steps,
        last: outcome.quantities.iter().filter_map(|s| Some((s.name.as_str(), s.last()?))).collect(),
        failure: outcome.failure.as_ref().map(ToString::to_string),
    });
    let modules = experiment.modules.iter();
    let manifest = Manifest {
        socrun: env!("CARGO_PKG_VERSION"),
        platform: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
        file: &experiment.file,
        hash: experiment.hash(),
        backend: &experiment.backend,
        threads: experiment.threads,
        seed: experiment.seed,
        with: experiment.profile.as_deref(),
        set: experiment.overrides.iter().map(|(name, value)| Setting { name, value }).collect(),
        status: experiment.status(),
        cells: cells.collect(),
        modules: modules
            .map(|file| Module { name: file.name(), sha256: hash_of(file.text()) })
            .chain(experiment.sources.data().iter().map(|data| Module { name: &data.shown, sha256: data_hash(data) }))
            .collect(),
        text: &experiment.text,
    };
    let pretty = PrettyConfig::new().indentor("  ").struct_names(true).escape_strings(false);
    ron::ser::to_string_pretty(&manifest, pretty).map(|text| text + "\n")
}
