//! The tree as text.
use super::tree::File;
/// x
pub fn dump(file: &File) -> String { format!("{file:#?}") }
