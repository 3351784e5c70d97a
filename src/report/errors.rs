//! What can go wrong with the files of a run.

use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

/// A file or directory that could not be written.
#[derive(Debug, Error, Diagnostic)]
#[error("cannot write `{}`: {why}", path.display())]
#[diagnostic(code(soc::io))]
pub struct Unwritable {
    /// The file or directory.
    pub path: PathBuf,
    /// What the system said.
    pub why: String,
}

/// A run that was interrupted and is not the one that is asked for.
#[derive(Debug, Error, Diagnostic)]
#[error(
    "expected the experiment that was interrupted in `{}`, with {finished} finished cells and {under_way} under way, found another one:\n{difference}",
    directory.display()
)]
#[diagnostic(code(soc::resume), help("write elsewhere, `--out DIR`; or start anew with `--force`, which forgets them"))]
pub struct ChangedSince {
    /// The directory of the run.
    pub directory: PathBuf,
    /// The finished cells that would be lost.
    pub finished: usize,
    /// The cells under way that would be lost.
    pub under_way: usize,
    /// The lines that differ.
    pub difference: String,
}

/// A record of an interrupted run that cannot be read back.
#[derive(Debug, Error, Diagnostic)]
#[error("expected the record of a cell in `{}`, found what cannot be read: {why}", path.display())]
#[diagnostic(code(soc::resume), help("start anew with `--force`, which forgets what was done"))]
pub struct UnreadableCell {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl Unwritable {
    /// The error about a path.
    pub(super) fn new(path: &Path, why: impl ToString) -> Self {
        Self { path: path.to_owned(), why: why.to_string() }
    }
}
