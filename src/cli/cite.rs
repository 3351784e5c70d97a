//! `socrun cite`

use std::io;

use super::args::CiteArguments;
use super::exit::Exit;
use super::terminal::{print, say, show};
use crate::diagnostic::Sink;
use crate::report::bibtex;
use crate::source::SourceMap;
use crate::syntax::{Entry, citations, load_all};

/// Prints a BibTeX entry for every source that a file and all that it uses cite.
pub(super) fn cite(arguments: &CiteArguments) -> io::Result<Exit> {
    let mut sources = SourceMap::new();
    let mut sink = Sink::new();
    let modules = load_all(&mut sources, Entry::File(&arguments.file), &mut sink);
    let failed = sink.has_errors();
    let reports = sink.into_reports();
    show(&reports, &sources);
    if failed {
        return Ok(Exit::because_of(&reports));
    }
    let citations = citations(modules.iter().map(|module| &module.tree));
    for citation in citations.iter().filter(|citation| citation.fields.is_empty()) {
        say(&format!("socrun: nothing is known of `{}` but its key; say `cite \"…\" {{ title \"…\" }}`", citation.key));
    }
    print(&bibtex(&citations))?;
    Ok(Exit::Done)
}
