//! From a path to a checked experiment: the stages before anything runs, in their order.

use std::path::Path;

use super::args::Settings;
use super::elaborate::elaborate;
use super::exit::Exit;
use crate::check::{apply_profile, check, profiles};
use crate::diagnostic::{Report, Sink};
use crate::lower::{Outline, outline};
use crate::source::{SourceFile, SourceMap, Symbol};
use crate::syntax::tree::{File, ItemKind};
use crate::syntax::{Entry, load_all};
use crate::typed::Checked;

/// A file after the stages that read it.
pub(super) struct Front {
    /// The file, as the author gave it.
    pub(super) name: String,
    /// All texts.
    pub(super) sources: SourceMap,
    /// What these stages had to say, in the order of the text.
    pub(super) reports: Vec<Report>,
    /// The text of the file with the values of the command line in place.
    pub(super) text: String,
    /// What the command line set.
    pub(super) overrides: Vec<(String, String)>,
    /// The profile whose values are in place.
    pub(super) profile: Option<String>,
    /// The experiment, if there were no errors.
    pub(super) experiment: Option<(Checked, Outline)>,
}

impl Front {
    /// What a command ends with that goes no further.
    pub(super) fn exit(&self) -> Exit {
        Exit::because_of(&self.reports)
    }

    /// The files that the experiment is made of, imports first.
    pub(super) fn modules(&self) -> Vec<&SourceFile> {
        let modules = self.experiment.iter().flat_map(|(checked, _)| &checked.modules);
        modules.filter_map(|module| self.sources.file_at(module.tree.items.first()?.span.start)).collect()
    }
}

/// What the command line sets, with the short forms written out. A seed stands apart: see [`front`].
pub(super) fn overrides(settings: &Settings) -> Vec<(String, String)> {
    let steps = settings.steps.map(|steps| ("steps".to_owned(), steps.to_string()));
    settings.set.iter().cloned().chain(steps).collect()
}

/// Reads, parses and checks a file and all that it imports. A `seed` given on the command line takes the place of one
/// that the file names or sweeps over, and a `profile` that of the file's own values.
pub(super) fn front(
    path: &Path,
    mut overrides: Vec<(String, String)>,
    profile: Option<&str>,
    seed: Option<u64>,
) -> Front {
    let mut sources = SourceMap::new();
    let mut sink = Sink::new();
    let mut modules = load_all(&mut sources, Entry::File(path), &mut sink);
    let entry = modules.last().map(|module| module.tree.clone());
    if let (Some(name), Some(entry), false) = (profile, modules.last_mut(), sink.has_errors()) {
        apply_profile(&mut entry.tree, name, &mut sink);
    }
    if let (Some(seed), Some(entry)) = (seed, modules.last())
        && has_seed(&entry.tree)
    {
        overrides.push(("seed".to_owned(), seed.to_string()));
    }
    let checked = if sink.has_errors() { None } else { check(modules, &overrides, &mut sink, &mut sources) };
    let experiment = checked.filter(|_| !sink.has_errors()).map(|checked| {
        let outline = outline(&checked);
        (checked, outline)
    });
    let text = match (&experiment, entry) {
        (Some((checked, _)), Some(before)) => {
            let after = &checked.entry().tree;
            let file = before.items.first().and_then(|item| sources.file_at(item.span.start));
            file.map(|file| elaborate(file, &before, after, &sources)).unwrap_or_default()
        }
        _ => String::new(),
    };
    Front {
        text,
        name: path.display().to_string(),
        sources,
        reports: sink.into_reports(),
        overrides,
        profile: profile.map(str::to_owned),
        experiment,
    }
}

/// The names of the profiles of a checked file.
pub(super) fn profiles_of(front: &Front) -> Vec<String> {
    let entry = front.experiment.iter().map(|(checked, _)| &checked.entry().tree);
    entry.flat_map(profiles).map(|name| name.text.to_string()).collect()
}

/// Whether the file says which seeds it runs with.
fn has_seed(file: &File) -> bool {
    let key = Symbol::folded("seed");
    file.items.iter().any(|item| match &item.kind {
        ItemKind::Let(definition) => definition.name.key == key,
        ItemKind::Sweep(axes) => axes.iter().any(|axis| axis.name.key == key),
        _ => false,
    })
}
