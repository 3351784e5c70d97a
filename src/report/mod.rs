//! What a run leaves for its reader: tables, figures, and a directory of files.
//!
//! In: an [`Experiment`]: the outline of the file, its texts, and the [`Outcome`](crate::run::Outcome) of every cell.
//! Out: tables as text, verdicts on what the file expects, figures as SVG, results as JSON, and a directory with all of it, the parameters, a manifest and
//! one self-contained page. Equal outcomes give equal bytes. May not know: how anything was computed.

mod bibliography;
mod difference;
mod directory;
mod errors;
mod estimate;
mod experiment;
mod figure;
mod formula;
mod html;
mod journal;
mod json;
mod manifest;
mod metrics;
mod number;
mod parameters;
mod standing;
mod svg;
mod table;
#[cfg(test)]
mod tests;
mod verdict;

pub use bibliography::bibtex;
pub use directory::{prepare, write, write_file};
pub use errors::{ChangedSince, UnreadableCell, Unwritable};
pub use experiment::Experiment;
pub use figure::chart;
pub use journal::Journal;
pub use json::{expectations, results};
pub use svg::{Chart, Curve, Point, Scale, Spread};
pub use table::{Table, last_values, table};
pub use verdict::{Answer, Verdict, verdict_table, verdicts};
