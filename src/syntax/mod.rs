//! Text to tree and back.
//!
//! In: the text of one file and its place in the offset space. Out: a [`File`](tree::File) with spans, or worded
//! errors; and, the other way, the printer behind `fmt`. May not know: what a name or a type means.

mod cite;
mod dump;
mod errors;
mod explain;
mod format;
mod grammar;
mod load;
mod parse;
mod scan;
pub mod sweep;
mod tokens;
pub mod tree;
pub mod walk;

pub use cite::{CITE_FIELDS, Citation, citations};
pub use dump::dump;
pub use format::{Mode, format};
pub use load::{Entry, ParsedModule, load_all};
pub use parse::parse;
