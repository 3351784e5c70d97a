//! Errors and warnings: how they are collected, named and shown.
//!
//! In: error structs of any stage, each a [`miette::Diagnostic`] whose spans lie in the one offset space. Out: reports
//! in the order of the text, rendered for a terminal or as JSON. May not know: any single error; those stand beside
//! the code that raises them.

mod codes;
mod nearest;
mod render;
mod report;
mod sink;

pub use codes::{CODES, Code, find_code};
pub use nearest::nearest;
pub use render::{Charset, Rendering, render, render_json, render_with};
pub use report::Report;
pub use sink::Sink;
