//! `socrun explain`

use std::fmt::Write;
use std::io;

use super::args::{ExplainArguments, Stage};
use super::exit::Exit;
use super::machine::cores;
use super::pipeline::{self, Front};
use super::terminal::{print, show};
use crate::backend::cpu;
#[cfg(feature = "gpu")]
use crate::backend::gpu;
use crate::diagnostic::Report;
use crate::graph::{Program, text};
use crate::lower::{Cell, Measurement, Stage as Part, cell};
use crate::plan;
use crate::syntax::dump;
use crate::transform::optimise;
use crate::typed::{Checked, Predicate};

/// Shows a form of a file.
pub(super) fn explain(arguments: &ExplainArguments) -> io::Result<Exit> {
    let settings = &arguments.settings;
    let front =
        pipeline::front(&arguments.file, pipeline::overrides(settings), settings.profile.as_deref(), settings.seed);
    show(&front.reports, &front.sources);
    let Some((checked, outline)) = &front.experiment else {
        return Ok(front.exit());
    };
    let threads = arguments.threads.unwrap_or_else(cores);
    let text = match arguments.stage {
        Stage::Tree => Ok(dump(&checked.entry().tree)),
        Stage::Typed => Ok(typed(checked, &front)),
        stage => match cell(checked, &vec![0; outline.sweep.len()]) {
            Ok(cell) => programs(&cell, stage, threads),
            Err(error) => Err(Report::new(*error)),
        },
    };
    match text {
        Ok(text) => print(&text).map(|()| Exit::Done),
        Err(report) => {
            let reports = [report];
            show(&reports, &front.sources);
            Ok(Exit::because_of(&reports))
        }
    }
}

/// Every module with its names, every problem with what was found out about it.
fn typed(checked: &Checked, front: &Front) -> String {
    let mut text = String::new();
    for (place, module) in checked.modules.iter().enumerate() {
        let _ = writeln!(text, "module {}", module.path);
        for (name, (home, item)) in &module.names {
            let from = if *home == place { String::new() } else { format!(" from {}", checked.modules[*home].path) };
            let _ = writeln!(text, "  {name}: item {item}{from}");
        }
        for structure in checked.structures.range((place, 0)..(place + 1, 0)).map(|(_, structure)| structure) {
            for fact in &structure.facts {
                let at = front.sources.location(fact.span.start);
                let at = at.map(|at| format!(" ({}:{}:{})", at.file, at.line, at.column)).unwrap_or_default();
                let holds = if fact.holds { "yes" } else { "no" };
                let name = Predicate::ALL.iter().find(|row| row.0 == fact.predicate).map_or("", |row| row.1);
                let _ = writeln!(text, "  {name}: {holds}, {}{at}", fact.why);
            }
        }
    }
    text
}

/// The programs of a measurement, each under its name.
fn measured<'c>(what: &str, m: &'c Measurement) -> Vec<(String, &'c Program)> {
    let name = format!("{what} of {}", m.quantities.join(", "));
    let after = m.after.as_ref().map(|program| (format!("{name}, after its distances"), program));
    std::iter::once((name.clone(), &m.program)).chain(after).collect()
}

/// The programs of a cell, each under its name.
fn programs(cell: &Cell, stage: Stage, threads: usize) -> Result<String, Report> {
    let mut named: Vec<(String, &Program)> = vec![("first values".to_owned(), &cell.init)];
    for part in &cell.stages {
        match part {
            Part::Train(training) => named.push(("training step".to_owned(), &training.step)),
            Part::Schedule(schedule) => {
                let programs = schedule.programs().into_iter().enumerate();
                named.extend(programs.map(|(i, program)| (format!("training, part {}", i + 1), program)));
            }
            Part::Measure(m) => named.extend(measured("measurement", m)),
        }
    }
    for m in &cell.running_measures {
        named.extend(measured("running measurement", m));
    }
    let mut all = String::new();
    let mut peaks = None;
    for (name, program) in named {
        let program = &optimise(program.clone());
        let form = match stage {
            Stage::Plan => {
                let peaks = *peaks.get_or_insert_with(|| cpu::peaks(threads));
                let summary = plan::check_with(program, u64::MAX, threads, cpu::LAYOUT).map_err(Report::new)?.1;
                format!("{summary}\n{}", summary.floor(peaks))
            }
            #[cfg(feature = "gpu")]
            Stage::Wgsl => gpu::wgsl(program).map_err(Report::new)?,
            _ => text::print(program),
        };
        let _ = writeln!(all, "# {name}\n\n{form}");
    }
    Ok(all)
}
