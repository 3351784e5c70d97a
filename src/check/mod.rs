//! check
mod nearest;
mod size;
mod structure;
mod walk;
pub mod provisional;
