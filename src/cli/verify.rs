//! `socrun verify`

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::args::VerifyArguments;
use super::errors::NothingExpected;
use super::exit::Exit;
use super::pipeline::{self, Front};
use super::run::Session;
use super::sweep::Ledger;
use super::terminal::{print, say, show};
use crate::diagnostic::Report;
use crate::report::{self, Answer, Experiment, Table};

/// Runs every file and says which of its expectations hold. Writes no directory.
pub(super) fn verify(arguments: &VerifyArguments) -> io::Result<Exit> {
    let mut first = Exit::Done;
    let mut all: Vec<Value> = Vec::new();
    for (number, file) in arguments.files.iter().enumerate() {
        let settings = &arguments.settings;
        let overrides = pipeline::overrides(settings);
        let front = pipeline::front(file, overrides, settings.profile.as_deref(), settings.seed);
        show(&front.reports, &front.sources);
        if front.experiment.is_none() {
            first = first.or(front.exit());
            continue;
        }
        if arguments.files.len() > 1 && !arguments.quiet {
            say(&format!("{}", file.display()));
        }
        let experiment = match carry_out(arguments, &front) {
            Ok(experiment) => experiment,
            Err(report) => {
                let reports = [report];
                show(&reports, &front.sources);
                first = first.or(Exit::because_of(&reports));
                continue;
            }
        };
        if arguments.json {
            all.push(json!({
                "file": experiment.file,
                "with": experiment.profile,
                "expectations": report::expectations(&experiment),
            }));
        } else {
            let blank = if number > 0 { "\n" } else { "" };
            print(&format!("{blank}{}", shown(file, arguments, &experiment)))?;
        }
        let failure = experiment.outcomes.iter().find_map(|outcome| outcome.failure.clone().map(Report::new));
        let lost = || experiment.outcomes.iter().find_map(|outcome| outcome.lost.clone().map(Report::new));
        if let Some(stopped) = failure.or_else(lost) {
            let reports = [stopped];
            show(&reports, &front.sources);
            first = first.or(Exit::because_of(&reports));
        }
        if experiment.verdicts().iter().any(|verdict| verdict.answer != Answer::Holds) {
            first = first.or(Exit::Unmet);
        }
    }
    if arguments.json {
        print(&format!("{:#}\n", Value::Array(all)))?;
    }
    Ok(first)
}

fn carry_out<'f>(arguments: &VerifyArguments, front: &'f Front) -> Result<Experiment<'f>, Report> {
    let session = Session {
        settings: &arguments.settings,
        target: &arguments.target,
        sweep: &arguments.sweep,
        quiet: arguments.quiet,
    };
    let expected = front.experiment.as_ref().map_or(0, |(_, outline)| outline.expectations.len());
    if expected == 0 {
        let place = front.profile.as_ref().map_or_else(String::new, |name| format!("the profile `{name}` of "));
        return Err(Report::new(NothingExpected { place: format!("{place}`{}`", front.name) }));
    }
    let (mut experiment, cells, loader) = session.prepare(front)?;
    session.carry_out(&mut experiment, (&cells, &loader), vec![None; cells.count()], &Ledger::default())?;
    Ok(experiment)
}

/// The file and its verdicts.
fn shown(file: &Path, arguments: &VerifyArguments, experiment: &Experiment<'_>) -> String {
    let with = experiment.profile.as_ref().map_or_else(String::new, |name| format!(" with {name}"));
    let table = report::verdict_table(&experiment.verdicts()).map(|table: Table| table.text()).unwrap_or_default();
    if arguments.files.len() > 1 { format!("{}{with}\n{table}", file.display()) } else { table }
}
