//! The folder that a program may read from.

use std::path::{Path, PathBuf};

use super::Span;
use super::errors::{Escape, NoFolder, Unreadable};
use crate::diagnostic::Report;

/// The folder of the entry file; a text without a file has none.
#[derive(Clone, Debug, Default)]
pub struct Root {
    folder: Option<PathBuf>,
    shown: String,
}

/// A file that an import leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// With all links followed, so that one file is one module.
    pub path: PathBuf,
    /// As the reader knows it.
    pub shown: String,
}

impl Root {
    /// The root of a program whose entry is a file.
    ///
    /// # Errors
    /// [`Unreadable`] when the file does not exist.
    pub fn of_entry(entry: &Path) -> Result<(Self, Target), Report> {
        let shown = entry.display().to_string();
        let path = canonical(entry, &shown, None)?;
        let folder = path.parent().map(Path::to_path_buf);
        let parent = entry.parent().filter(|parent| !parent.as_os_str().is_empty());
        let root = Self { folder, shown: parent.map_or_else(|| ".".to_owned(), |parent| parent.display().to_string()) };
        Ok((root, Target { path, shown }))
    }

    /// The root of a text that was given without a file, if it may import at all.
    pub fn of_text(folder: Option<&Path>) -> Self {
        let canonical = folder.and_then(|folder| folder.canonicalize().ok());
        Self { folder: canonical, shown: folder.map_or_else(String::new, |folder| folder.display().to_string()) }
    }

    /// The file `written`, relative to the file `from` (`None`: to the root itself).
    ///
    /// # Errors
    /// [`Escape`] when it lies outside the root once `..` and links are followed, [`Unreadable`] when it does not exist,
    /// [`NoFolder`] without a root.
    pub fn resolve(&self, from: Option<&Target>, written: &str, here: Span) -> Result<Target, Report> {
        let Some(root) = &self.folder else {
            return Err(Report::new(NoFolder { path: written.to_owned(), here }));
        };
        let escape = || Report::new(Escape { path: written.to_owned(), root: self.shown.clone(), here });
        let folder = from.and_then(|from| from.path.parent()).unwrap_or(root);
        let joined = folder.join(written);
        // Judged before the disk is asked: whether a file outside exists is not for the program to learn.
        if Path::new(written).is_absolute() || !lexically_below(&joined, root) {
            return Err(escape());
        }
        let shown_folder = from.map_or_else(|| self.shown.clone(), |from| parent_of(&from.shown));
        let shown = if shown_folder.is_empty() { written.to_owned() } else { format!("{shown_folder}/{written}") };
        let path = canonical(&joined, &shown, Some(here))?;
        if path.starts_with(root) { Ok(Target { path, shown }) } else { Err(escape()) }
    }
}

fn canonical(path: &Path, shown: &str, at: Option<Span>) -> Result<PathBuf, Report> {
    path.canonicalize().map_err(|error| {
        let reason = match error.kind() {
            std::io::ErrorKind::NotFound => "no such file".to_owned(),
            _ => error.to_string(),
        };
        Report::new(Unreadable { path: shown.to_owned(), reason, at })
    })
}

fn parent_of(shown: &str) -> String {
    shown.rsplit_once('/').map_or_else(String::new, |(folder, _)| folder.to_owned())
}

/// Whether a path stays below `root` when `..` is taken by its letters.
fn lexically_below(path: &Path, root: &Path) -> bool {
    let mut walked = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                walked.pop();
            }
            std::path::Component::CurDir => {}
            other => walked.push(other),
        }
    }
    walked.starts_with(root)
}
