//! All files of a program: the entry, what it imports, and what that imports.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::errors::{ImportCycle, UnknownImport};
use super::parse::parse;
use super::tree::{File, Item, ItemKind, Net, Stored, Use, UsePath};
use crate::diagnostic::{Report, Sink, nearest};
use crate::source::errors::UnknownModule;
use crate::source::{LibraryFile, Name, Root, SourceMap, Span, Target, Tensors, library_module, library_modules};

/// A parsed file of a program.
#[derive(Clone, Debug)]
pub struct ParsedModule {
    /// `std.losses` for every file of that module, or the path of a file.
    pub path: String,
    /// The file's tree.
    pub tree: File,
    /// For each `use` among the items: its index, and the index of a module that defines some of its names. A `use`
    /// from a folder of the library may lead to several modules. A `use` from no file (`use P.{b}`) is not here.
    pub imports: Vec<(usize, usize)>,
    /// The files of numbers that it names, as it writes them.
    pub data: BTreeMap<Arc<str>, Arc<Tensors>>,
    /// The whole text.
    pub span: Span,
}

/// Where a program starts.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// A file; what it imports must lie below its folder.
    File(&'a Path),
    /// A text with the name to show for it; it may import files only when it is given a folder.
    Text {
        /// The name to show.
        name: &'a str,
        /// The text.
        text: &'a str,
        /// The root of its file imports.
        folder: Option<&'a Path>,
    },
}

/// Reads and parses a program. Modules stand in the order of their dependencies, the entry last; files that could not
/// be read are missing, and every error is in `sink`.
pub fn load_all(sources: &mut SourceMap, entry: Entry<'_>, sink: &mut Sink) -> Vec<ParsedModule> {
    let (root, start) = match entry {
        Entry::File(path) => match Root::of_entry(path) {
            Ok((root, target)) => (root, Origin::Disk(target)),
            Err(report) => {
                sink.extend([report]);
                return Vec::new();
            }
        },
        Entry::Text { folder, .. } => (Root::of_text(folder), Origin::Given),
    };
    let mut walk = Walk {
        sources,
        sink,
        root,
        modules: Vec::new(),
        states: BTreeMap::new(),
        library: BTreeMap::new(),
        stack: Vec::new(),
    };
    match (&start, entry) {
        (Origin::Disk(target), _) => {
            walk.file(target.clone(), None);
        }
        (_, Entry::Text { name, text, .. }) => {
            let base = walk.sources.add(name, text);
            let tree = parse(text, base, walk.sink);
            walk.module(name.to_owned(), Origin::Given, Parsed { tree, base, length: text.len() });
        }
        _ => {}
    }
    walk.modules
}

/// Where a text comes from, which decides what its imports may name.
#[derive(Clone, Debug)]
enum Origin {
    Disk(Target),
    Library,
    Given,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Its imports are being walked.
    Open,
    /// Its index.
    Done(usize),
    /// It could not be read.
    Failed,
}

#[derive(Clone, Debug)]
struct Parsed {
    tree: File,
    base: u32,
    length: usize,
}

struct Walk<'a> {
    sources: &'a mut SourceMap,
    sink: &'a mut Sink,
    root: Root,
    modules: Vec<ParsedModule>,
    /// By path on disk, or `std/…`.
    states: BTreeMap<String, State>,
    /// Texts of the library that were parsed, since a folder is searched for names before any file is chosen.
    library: BTreeMap<&'static str, Parsed>,
    /// The imports that led here: the file and the clause.
    stack: Vec<(String, Span)>,
}

impl Walk<'_> {
    /// Loads a file and what it imports; `None` after an error.
    fn file(&mut self, target: Target, at: Option<Span>) -> Option<usize> {
        let key = target.path.display().to_string();
        if let Some(known) = self.known(&key, &target.shown, at) {
            return known;
        }
        match self.sources.read(&target.path, &target.shown, at) {
            Ok(base) => {
                let text = self.sources.file_at(base).expect("it was just added").text().clone();
                let tree = parse(&text, base, self.sink);
                let parsed = Parsed { tree, base, length: text.len() };
                Some(self.open(key, target.shown.clone(), at, |walk| {
                    walk.module(target.shown.clone(), Origin::Disk(target), parsed)
                }))
            }
            Err(report) => {
                self.sink.extend([report]);
                self.states.insert(key, State::Failed);
                None
            }
        }
    }

    /// Loads a chosen file of the library.
    fn library_file(&mut self, file: LibraryFile, module: &str, at: Span) -> Option<usize> {
        let key = format!("std/{}", file.path);
        if let Some(known) = self.known(&key, &key, Some(at)) {
            return known;
        }
        let parsed = self.library_parse(file);
        Some(self.open(key.clone(), key, Some(at), |walk| walk.module(module.to_owned(), Origin::Library, parsed)))
    }

    fn library_parse(&mut self, file: LibraryFile) -> Parsed {
        if let Some(parsed) = self.library.get(file.path) {
            return parsed.clone();
        }
        let base = self.sources.add(format!("std/{}", file.path), file.text);
        let parsed = Parsed { tree: parse(file.text, base, self.sink), base, length: file.text.len() };
        self.library.insert(file.path, parsed.clone());
        parsed
    }

    /// What is known of a file: `Some(None)` for one that failed or closes a circle, which is reported.
    #[expect(clippy::option_option, reason = "unknown, known to fail, and known are three things")]
    fn known(&mut self, key: &str, shown: &str, at: Option<Span>) -> Option<Option<usize>> {
        match self.states.get(key)? {
            State::Done(index) => Some(Some(*index)),
            State::Failed => Some(None),
            State::Open => {
                let first = self.stack.iter().position(|(file, _)| file == shown).unwrap_or(0);
                let mut chain: Vec<String> = self.stack[first..].iter().map(|(file, _)| format!("`{file}`")).collect();
                chain.push(format!("`{shown}`"));
                self.sink.push(ImportCycle {
                    chain: chain.join(" → "),
                    here: at.unwrap_or(Span::NONE),
                    through: self.stack[first + 1..].iter().map(|(_, span)| *span).collect(),
                });
                Some(None)
            }
        }
    }

    /// Walks a file while it is marked as open.
    fn open(&mut self, key: String, shown: String, at: Option<Span>, inner: impl FnOnce(&mut Self) -> usize) -> usize {
        self.states.insert(key.clone(), State::Open);
        self.stack.push((shown, at.unwrap_or(Span::NONE)));
        let index = inner(self);
        self.stack.pop();
        self.states.insert(key, State::Done(index));
        index
    }

    /// Walks the imports of a parsed text and appends it.
    fn module(&mut self, path: String, origin: Origin, parsed: Parsed) -> usize {
        let mut imports = Vec::new();
        let mut data = BTreeMap::new();
        for (index, item) in parsed.tree.items.iter().enumerate() {
            if let ItemKind::Net(Net { stored: Some(Stored { file, .. }), .. }) = &item.kind {
                let read = self.target(&origin, &file.value, file.span);
                match read.and_then(|target| self.sources.tensors(&target.path, &target.shown, file.span)) {
                    Ok(tensors) => drop(data.insert(file.value.clone(), tensors)),
                    Err(report) => self.fail(report),
                }
            }
            let ItemKind::Use(clause) = &item.kind else { continue };
            let mut found = match &clause.from {
                UsePath::File(text) => self.file_import(&origin, clause, &text.value, text.span),
                UsePath::Dotted(words) if words[0].key.as_str() == "std" => self.library_import(clause, words),
                UsePath::Dotted(_) => continue,
            };
            found.sort_unstable();
            found.dedup();
            imports.extend(found.into_iter().map(|module| (index, module)));
        }
        for file in &parsed.tree.samples {
            let read = self.target(&origin, &file.value, file.span);
            match read.and_then(|target| self.sources.samples(&target.path, &target.shown, file.span)) {
                Ok(samples) => drop(data.insert(file.value.clone(), samples)),
                Err(report) => self.fail(report),
            }
        }
        let end = parsed.base + parsed.length as u32;
        self.modules.push(ParsedModule { path, tree: parsed.tree, imports, data, span: Span::new(parsed.base, end) });
        self.modules.len() - 1
    }

    fn file_import(&mut self, origin: &Origin, clause: &Use, written: &str, here: Span) -> Vec<usize> {
        let index = match self.target(origin, written, here) {
            Ok(target) => self.file(target, Some(here)),
            Err(report) => {
                self.fail(report);
                None
            }
        };
        let Some(index) = index else { return Vec::new() };
        let defined: Vec<Name> = defined_names(&self.modules[index].tree.items).into_iter().cloned().collect();
        for name in clause.names.iter().filter(|name| !defined.contains(name)) {
            self.undefined(name, written, &defined);
        }
        vec![index]
    }

    /// The file that a text names.
    fn target(&self, origin: &Origin, written: &str, here: Span) -> Result<Target, Report> {
        match origin {
            Origin::Disk(from) => self.root.resolve(Some(from), written, here),
            Origin::Given => self.root.resolve(None, written, here),
            Origin::Library => Root::default().resolve(None, written, here),
        }
    }

    fn library_import(&mut self, clause: &Use, words: &[Name]) -> Vec<usize> {
        let keys: Vec<&str> = words[1..].iter().map(|word| word.key.as_str()).collect();
        // `use std.problems.a` names one thing; its last word is the name.
        let (module, names) = match keys.split_last() {
            Some((_, module)) if clause.names.is_empty() => (module, &words[words.len() - 1..]),
            _ => (&keys[..], &clause.names[..]),
        };
        let dotted = std::iter::once("std").chain(module.iter().copied()).collect::<Vec<_>>().join(".");
        let files = library_module(module);
        if files.is_empty() {
            let span = words.iter().take(module.len() + 1).fold(Span::NONE, |all, word| all.to(word.span));
            self.fail(Report::new(unknown_module(dotted, span)));
            return Vec::new();
        }
        let mut defined: Vec<Name> = Vec::new();
        let mut places: Vec<LibraryFile> = Vec::new();
        for file in files {
            let parsed = self.library_parse(file);
            defined.extend(defined_names(&parsed.tree.items).into_iter().cloned());
            places.resize(defined.len(), file);
        }
        let mut found = Vec::new();
        for name in names {
            match defined.iter().position(|known| known == name) {
                Some(at) => found.extend(self.library_file(places[at], &dotted, name.span)),
                None => self.undefined(name, &dotted, &defined),
            }
        }
        found
    }

    fn fail(&mut self, report: Report) {
        self.sink.extend([report]);
    }

    fn undefined(&mut self, name: &Name, module: &str, defined: &[Name]) {
        let near = nearest(name.key.as_str(), defined.iter().map(|name| name.key.as_str()));
        let near = near.and_then(|key| defined.iter().find(|name| name.key.as_str() == key));
        let help = match near {
            Some(near) => format!("the nearest name is `{near}`"),
            None => format!("it defines {}", list(defined.iter().map(|name| &*name.text))),
        };
        self.sink.push(UnknownImport { name: name.text.clone(), module: module.to_owned(), here: name.span, help });
    }
}

fn unknown_module(path: String, here: Span) -> UnknownModule {
    let modules = library_modules();
    let names = modules.iter().map(String::as_str);
    let help = match nearest(&path, names.clone()) {
        Some(near) => format!("the nearest module is `{near}`"),
        None => format!("the library has {}", list(names)),
    };
    UnknownModule { path, here, help }
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// The names that a file defines for others.
fn defined_names(items: &[Item]) -> Vec<&Name> {
    items
        .iter()
        .filter_map(|item| match &item.kind {
            ItemKind::Let(binding) => Some(&binding.name),
            ItemKind::Problem(definition) | ItemKind::Loss(definition) | ItemKind::Method(definition) => {
                Some(&definition.name)
            }
            ItemKind::Bind(bind) => Some(&bind.name),
            ItemKind::Layer(layer) => Some(&layer.name),
            ItemKind::Net(net) => Some(&net.name),
            ItemKind::Cite(_)
            | ItemKind::Use(_)
            | ItemKind::Sweep(_)
            | ItemKind::Train(_)
            | ItemKind::Measure(_)
            | ItemKind::Plot(_)
            | ItemKind::Table(_)
            | ItemKind::Expect(_)
            | ItemKind::Profile(_) => None,
        })
        .collect()
}
