//! The directory of a run.

#![allow(clippy::disallowed_methods, reason = "this is where reports are written")]

use std::fs;
use std::path::Path;

use super::figure::chart;
use super::{Experiment, Unwritable, html, json, manifest, metrics, parameters};
use crate::lower::Figure;

/// Makes the directory, before anything is run: a run should not end in vain.
///
/// # Errors
/// When the system refuses it.
pub fn prepare(directory: &Path) -> Result<(), Unwritable> {
    let figures = directory.join("figures");
    fs::create_dir_all(&figures).map_err(|why| Unwritable::new(&figures, why))
}

/// Writes a file, over what is there.
///
/// # Errors
/// When the system refuses it.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Unwritable> {
    fs::write(path, bytes).map_err(|why| Unwritable::new(path, why))
}

/// Writes `manifest.ron`, `results.json`, `metrics.csv`, `params.safetensors`, `figures/*.svg` and `report.html` into
/// a prepared directory, over what is there.
///
/// # Errors
/// When the system refuses a file.
pub fn write(directory: &Path, experiment: &Experiment<'_>) -> Result<(), Unwritable> {
    let put = |name: &str, bytes: &[u8]| write_file(&directory.join(name), bytes);
    let refused = |name: &str, why: &dyn ToString| Unwritable::new(&directory.join(name), why.to_string());

    let name = "params.safetensors";
    put(name, &parameters::safetensors(&experiment.outcomes).map_err(|why| refused(name, &why))?)?;
    put("metrics.csv", metrics::csv(experiment.outline, &experiment.outcomes).as_bytes())?;
    put("results.json", format!("{:#}\n", json::results(experiment)).as_bytes())?;
    let name = "manifest.ron";
    put(name, manifest::ron(experiment).map_err(|why| refused(name, &why))?.as_bytes())?;
    for (i, figure) in experiment.outline.plots.iter().enumerate() {
        let svg = chart(figure, experiment.outline, &experiment.outcomes).render();
        put(&format!("figures/{}", file_name(i, figure)), svg.as_bytes())?;
    }
    put("report.html", html::page(experiment).as_bytes())
}

/// `1-error.svg`: the number of the figure and its quantities, in characters that every file system takes.
fn file_name(number: usize, figure: &Figure) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let quantities: Vec<String> = figure.quantities.iter().map(|q| q.chars().map(plain).collect()).collect();
    let mut name = format!("{}-{}", number + 1, quantities.join("-"));
    name.truncate(80);
    name + ".svg"
}
