//! The sources that texts cite.

use super::parse::parse;
use super::tree::{Cite, File, ItemKind};
use crate::diagnostic::Sink;
use crate::source::references;

/// A source and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Citation {
    /// What identifies it, such as `arXiv:2312.02027`.
    pub key: String,
    /// Facts about it by name, such as `title`, in the order of the text that gives them; empty if none does.
    pub fields: Vec<(String, String)>,
}

impl Citation {
    /// A fact by name.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// The facts that a text may give about a source.
pub const CITE_FIELDS: &[&str] = &[
    "author",
    "title",
    "year",
    "journal",
    "booktitle",
    "volume",
    "number",
    "pages",
    "publisher",
    "doi",
    "url",
    "note",
];

/// What the texts cite, each source once, in the order of the texts; its facts from the first text that gives any, or
/// else from the library.
pub fn citations<'f>(files: impl IntoIterator<Item = &'f File>) -> Vec<Citation> {
    let mut all: Vec<Citation> = Vec::new();
    for file in files {
        for cite in cites(file) {
            match all.iter_mut().find(|known| *known.key == *cite.key.value) {
                Some(known) if known.fields.is_empty() => known.fields = facts(cite),
                Some(_) => {}
                None => all.push(Citation { key: cite.key.value.to_string(), fields: facts(cite) }),
            }
        }
    }
    if all.iter().any(|citation| citation.fields.is_empty())
        && let Some(library) = references()
    {
        let library = parse(library.text, 0, &mut Sink::new());
        for citation in all.iter_mut().filter(|citation| citation.fields.is_empty()) {
            let known = cites(&library).find(|cite| *cite.key.value == *citation.key);
            citation.fields = known.map(facts).unwrap_or_default();
        }
    }
    all
}

fn cites(file: &File) -> impl Iterator<Item = &Cite> {
    file.items.iter().filter_map(|item| if let ItemKind::Cite(cite) = &item.kind { Some(cite) } else { None })
}

fn facts(cite: &Cite) -> Vec<(String, String)> {
    cite.fields.iter().map(|(name, text)| (name.key.as_str().to_owned(), text.value.to_string())).collect()
}
