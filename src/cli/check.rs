//! `socrun check`

use std::collections::BTreeSet;
use std::io;

use serde_json::Value;

use super::args::CheckArguments;
use super::cells::Cells;
use super::exit::Exit;
use super::{pipeline, terminal};
use crate::diagnostic::{Report, render, render_json};

/// Checks every file by itself: as it stands and, where that is without errors, under each of its profiles. Cells of an
/// experiment are lowered as well, because some errors show at concrete sizes and values only.
pub(super) fn check(arguments: &CheckArguments) -> io::Result<Exit> {
    let mut first = Exit::Done;
    let mut all: Vec<Value> = Vec::new();
    for file in &arguments.files {
        let plain = pipeline::front(file, arguments.set.clone(), None, None);
        let profiles = pipeline::profiles_of(&plain);
        let under = |name: &String| pipeline::front(file, arguments.set.clone(), Some(name), None);
        let fronts = std::iter::once(plain).chain(profiles.iter().map(under));
        // What is wrong under every profile is said once.
        let mut said = BTreeSet::new();
        for mut front in fronts {
            if let Some((checked, outline)) = &front.experiment {
                front.reports.extend(Cells::try_all(checked, outline).err());
            }
            first = first.or(front.exit());
            let new = |report: &Report| said.insert(render(std::slice::from_ref(report), &front.sources));
            let reports: Vec<Report> = front.reports.into_iter().filter(new).collect();
            if arguments.json {
                if let Value::Array(reports) = render_json(&reports, &front.sources) {
                    all.extend(reports);
                }
            } else {
                terminal::show(&reports, &front.sources);
            }
        }
    }
    if arguments.json {
        terminal::print(&format!("{:#}\n", Value::Array(all)))?;
    }
    Ok(first)
}
