//! What a run leaves for its reader: tables, figures, and a directory of files.
//!
//! In: an [`Experiment`]: the outline of the file, its texts, and the [`Outcome`](crate::run::Outcome) of every cell.
//! Out: tables as text, figures as SVG, results as JSON, and a directory with all of it, the parameters, a manifest and
//! one self-contained page. Equal outcomes give equal bytes. May not know: how anything was computed.

mod directory;
mod errors;
mod estimate;
mod experiment;
mod figure;
mod html;
mod json;
mod manifest;
mod metrics;
mod number;
mod parameters;
mod svg;
mod table;
#[cfg(test)]
mod tests;

pub use directory::{prepare, write, write_file};
pub use errors::Unwritable;
pub use experiment::Experiment;
pub use figure::chart;
pub use json::results;
pub use svg::{Chart, Curve, Point, Scale, Spread};
pub use table::{Table, last_values, table};
