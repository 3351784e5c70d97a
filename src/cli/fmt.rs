//! `socrun fmt`

use std::io::{self, Read};
use std::path::Path;

use super::args::FmtArguments;
use super::exit::Exit;
use super::terminal::{print, show};
use crate::diagnostic::Report;
use crate::report::write_file;
use crate::source::errors::{LARGEST_FILE, NotUtf8, TooLarge, Unreadable};
use crate::source::{SourceMap, Span};
use crate::syntax::{Mode, format};

const STDIN: &str = "<stdin>";

/// Formats every file in place, or stdin to stdout.
pub(super) fn fmt(arguments: &FmtArguments) -> io::Result<Exit> {
    let mode = match (arguments.ascii, arguments.unicode) {
        (true, _) => Mode::Ascii,
        (_, true) => Mode::Unicode,
        _ => Mode::Keep,
    };
    let mut first = Exit::Done;
    for path in &arguments.files {
        let mut sources = SourceMap::new();
        let formatted = if path == Path::new("-") { read_stdin(&mut sources) } else { read(&mut sources, path) }
            .and_then(|base| format_at(&sources, base, mode));
        let (before, after) = match formatted {
            Ok(texts) => texts,
            Err(reports) => {
                show(&reports, &sources);
                first = first.or(Exit::because_of(&reports));
                continue;
            }
        };
        if arguments.check {
            if before != after {
                print(&format!("{} would change\n", path.display()))?;
                first = first.or(Exit::Errors);
            }
        } else if path == Path::new("-") {
            print(&after)?;
        } else if before != after
            && let Err(unwritable) = write_file(path, after.as_bytes())
        {
            let reports = [Report::new(unwritable)];
            show(&reports, &sources);
            first = first.or(Exit::because_of(&reports));
        }
    }
    Ok(first)
}

/// The text at an offset before and after.
fn format_at(sources: &SourceMap, base: u32, mode: Mode) -> Result<(String, String), Vec<Report>> {
    let text = sources.file_at(base).map_or("", |file| file.text());
    Ok((text.to_owned(), format(text, base, mode)?))
}

fn read(sources: &mut SourceMap, path: &Path) -> Result<u32, Vec<Report>> {
    sources.read(path, &path.display().to_string(), None).map_err(|report| vec![report])
}

fn read_stdin(sources: &mut SourceMap) -> Result<u32, Vec<Report>> {
    let path = STDIN.to_owned();
    let mut bytes = Vec::new();
    if let Err(why) = io::stdin().lock().take(LARGEST_FILE + 1).read_to_end(&mut bytes) {
        return Err(vec![Report::new(Unreadable { path, reason: why.to_string(), at: None })]);
    }
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(vec![Report::new(TooLarge { path, at: None })]);
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(sources.add(STDIN, text)),
        Err(error) => {
            let offset = error.utf8_error().valid_up_to();
            let base = sources.add(STDIN, String::from_utf8_lossy(error.as_bytes()).into_owned());
            let start = base + offset as u32;
            let here = Span::new(start, start + char::REPLACEMENT_CHARACTER.len_utf8() as u32);
            Err(vec![Report::new(NotUtf8 { path, offset, here })])
        }
    }
}
