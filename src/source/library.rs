//! The standard library, embedded in the binary.

use include_dir::{Dir, include_dir};

static LIBRARY: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/stdlib");

/// A text of the library.
#[derive(Clone, Copy, Debug)]
pub struct LibraryFile {
    /// Its path below `std`, such as `nets/linear.soc`.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// The texts of the module `words` (`["nets"]` for `std.nets`): the file `nets.soc`, or all files of the folder
/// `nets` in the order of their names. Empty when there is no such module.
pub fn library_module(words: &[&str]) -> Vec<LibraryFile> {
    let path = words.join("/");
    if let Some(file) = LIBRARY.get_file(format!("{path}.soc")).and_then(as_text) {
        return vec![file];
    }
    let mut files: Vec<_> = LIBRARY.get_dir(&path).into_iter().flat_map(Dir::files).filter_map(as_text).collect();
    files.sort_by_key(|file| file.path);
    files
}

/// The text in which the library says what is known of its sources; it defines nothing.
pub fn references() -> Option<LibraryFile> {
    LIBRARY.get_file(REFERENCES).and_then(as_text)
}

const REFERENCES: &str = "references.soc";

/// The dotted paths of all modules, in order.
pub fn library_modules() -> Vec<String> {
    let mut modules = Vec::new();
    collect(&LIBRARY, &mut modules);
    modules.sort();
    modules.dedup();
    modules
}

fn collect(folder: &'static Dir<'static>, modules: &mut Vec<String>) {
    for file in folder.files().filter_map(as_text).filter(|file| file.path != REFERENCES) {
        let path = file.path.trim_end_matches(".soc");
        let module = match path.rsplit_once('/') {
            Some((folder, _)) => folder,
            None => path,
        };
        modules.push(format!("std.{}", module.replace('/', ".")));
    }
    for inner in folder.dirs() {
        collect(inner, modules);
    }
}

fn as_text(file: &'static include_dir::File<'static>) -> Option<LibraryFile> {
    let path = file.path().to_str()?;
    file.path().extension().filter(|kind| *kind == "soc")?;
    Some(LibraryFile { path, text: file.contents_utf8()? })
}
