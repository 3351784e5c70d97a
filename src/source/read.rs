//! Files from the disk.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::errors::{LARGEST_FILE, NotUtf8, TooLarge, Unreadable};
use super::{SourceMap, Span};
use crate::diagnostic::Report;

impl SourceMap {
    /// Reads a file into the map under the name `shown` and returns the offset of its first byte.
    ///
    /// # Errors
    /// [`Unreadable`], [`TooLarge`] (more than 4 MiB; no more than that is read), [`NotUtf8`].
    pub fn read(&mut self, path: &Path, shown: &str, at: Option<Span>) -> Result<u32, Report> {
        let bytes = bytes_of(path, LARGEST_FILE + 1)
            .map_err(|error| Report::new(Unreadable { path: shown.to_owned(), reason: reason(&error), at }))?;
        let full = u64::from(self.next_base()) + bytes.len() as u64 >= u64::from(u32::MAX);
        if bytes.len() as u64 > LARGEST_FILE || full {
            return Err(Report::new(TooLarge { path: shown.to_owned(), at }));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(self.add(shown, text)),
            Err(error) => {
                let offset = error.utf8_error().valid_up_to();
                let base = self.add(shown, String::from_utf8_lossy(error.as_bytes()).into_owned());
                let start = base + offset as u32;
                let here = Span::new(start, start + char::REPLACEMENT_CHARACTER.len_utf8() as u32);
                Err(Report::new(NotUtf8 { path: shown.to_owned(), offset, here }))
            }
        }
    }
}

/// The first bytes of a file, at most so many.
#[expect(clippy::disallowed_methods, reason = "this is where files are read")]
pub(super) fn bytes_of(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The system's reason, in words that do not depend on the system where that can be had.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "no permission".to_owned(),
        io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        _ => error.to_string(),
    }
}
