//! `socrun fmt`

use std::io;

use super::args::FmtArguments;
use super::exit::Exit;

/// Formats every file.
pub(super) fn fmt(_arguments: &FmtArguments) -> io::Result<Exit> {
    Ok(Exit::Done)
}
