//! What can go wrong while files are written.

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

impl Unwritable {
    /// The error about a path.
    pub(super) fn new(path: &Path, why: impl ToString) -> Self {
        Self { path: path.to_owned(), why: why.to_string() }
    }
}
