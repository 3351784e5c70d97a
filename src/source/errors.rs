//! Errors of files and of the places that imports name.

use miette::Diagnostic;
use thiserror::Error;

use super::Span;

/// The largest text that is read.
pub const LARGEST_FILE: u64 = 4 << 20;

/// A file that cannot be read.
#[derive(Debug, Error, Diagnostic)]
#[error("cannot read `{path}`: {reason}")]
#[diagnostic(code(soc::io))]
pub struct Unreadable {
    /// As the reader knows it.
    pub path: String,
    /// What the system says.
    pub reason: String,
    /// The import that names it.
    #[label("imported here")]
    pub at: Option<Span>,
}

/// A file beyond [`LARGEST_FILE`].
#[derive(Debug, Error, Diagnostic)]
#[error("expected a text of at most {} MiB, found more in `{path}`", LARGEST_FILE >> 20)]
#[diagnostic(code(soc::too_large), help("a `.soc` file holds an experiment; numbers belong into files of numbers"))]
pub struct TooLarge {
    /// As the reader knows it.
    pub path: String,
    /// The import that names it.
    #[label("imported here")]
    pub at: Option<Span>,
}

/// The largest file of numbers that is read.
pub const LARGEST_DATA: u64 = 1 << 30;

/// A file beyond [`LARGEST_DATA`].
#[derive(Debug, Error, Diagnostic)]
#[error("expected a file of at most {} MiB, found more in `{path}`", LARGEST_DATA >> 20)]
#[diagnostic(code(soc::too_large), help("keep only what the experiment uses"))]
pub struct TooMuchData {
    /// As the reader knows it.
    pub path: String,
    /// Where it is named.
    #[label("named here")]
    pub at: Span,
}

/// A file that holds no tensors.
#[derive(Debug, Error, Diagnostic)]
#[error("expected a safetensors file of finite numbers in single or double precision in `{path}`, found {found}")]
#[diagnostic(code(soc::data), help("a run writes its parameters to `params.safetensors` in its directory"))]
pub struct NoTensors {
    /// As the reader knows it.
    pub path: String,
    /// What it is.
    pub found: String,
    /// Where it is named.
    #[label("named here")]
    pub at: Span,
}

/// A file that holds no samples.
#[derive(Debug, Error, Diagnostic)]
#[error(
    "expected samples in `{path}`, finite numbers as an array [n] or [n, d] in .npy or as lines of .csv, found {found}"
)]
#[diagnostic(code(soc::data), help("`numpy.save(\"points.npy\", x)` writes such a file, a sample per row of x"))]
pub struct NoSamples {
    /// As the reader knows it.
    pub path: String,
    /// What it is.
    pub found: String,
    /// Where it is named.
    #[label("named here")]
    pub at: Span,
}

/// A file that is no text.
#[derive(Debug, Error, Diagnostic)]
#[error("expected UTF-8 text, found other bytes in `{path}` from byte {offset} on")]
#[diagnostic(code(soc::encoding), help("save the file as UTF-8"))]
pub struct NotUtf8 {
    /// As the reader knows it.
    pub path: String,
    /// How many bytes are text.
    pub offset: usize,
    /// The first byte that is not, in the text with such bytes replaced.
    #[label("no character starts here")]
    pub here: Span,
}

/// An import that names no module of the library.
#[derive(Debug, Error, Diagnostic)]
#[error("expected a module of the library, found `{path}`")]
#[diagnostic(code(soc::import))]
pub struct UnknownModule {
    /// As written.
    pub path: String,
    /// The path.
    #[label("no such module")]
    pub here: Span,
    /// What there is.
    #[help]
    pub help: String,
}

/// A file import that leaves the folder of the entry file.
#[derive(Debug, Error, Diagnostic)]
#[error("expected a file below `{root}`, found `{path}` outside it")]
#[diagnostic(
    code(soc::import),
    help("a program reads only files below the folder of the file that is run; move it there")
)]
pub struct Escape {
    /// As written.
    pub path: String,
    /// The folder of the entry file.
    pub root: String,
    /// The import.
    #[label("leaves the root")]
    pub here: Span,
}

/// A file import in a text that has no folder.
#[derive(Debug, Error, Diagnostic)]
#[error("expected a module of the library, found the file `{path}`: this text stands in no folder")]
#[diagnostic(code(soc::import))]
pub struct NoFolder {
    /// As written.
    pub path: String,
    /// The import.
    #[label("imported here")]
    pub here: Span,
}
