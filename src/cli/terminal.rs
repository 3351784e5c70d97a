//! Where the commands write.

use std::io::{self, IsTerminal, Write};

use crate::diagnostic::{Rendering, Report, render_with};
use crate::source::SourceMap;

/// Writes a text to stdout. A reader that went away is no error: it has seen enough.
///
/// # Errors
/// When stdout cannot be written for another reason, such as a full disk.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes a line to stderr; there is nobody to tell if that fails.
pub(super) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Renders reports on stderr, in colour on a terminal that wants it.
pub(super) fn show(reports: &[Report], sources: &SourceMap) {
    if reports.is_empty() {
        return;
    }
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let text = render_with(reports, sources, Rendering { colour, ..Rendering::default() });
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
