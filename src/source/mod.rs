//! Files in one offset space.
//!
//! In: paths and the embedded standard library. Out: texts, spans, names under one key, files of numbers, and the set of
//! files that a run is made of. May not know: what any text means.

pub mod errors;
mod fold;
mod library;
mod map;
mod read;
mod root;
mod samples;
mod span;
mod symbol;
mod tensors;

pub use fold::{fold, name, to_ascii, to_unicode};
pub use library::{LibraryFile, library_module, library_modules, references};
pub use map::{Location, SourceFile, SourceMap};
pub use root::{Root, Target};
pub use span::Span;
pub use symbol::{Name, Symbol};
pub use tensors::Tensors;
