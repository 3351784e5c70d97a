//! All texts of a run, laid end to end in one offset space.

use std::sync::Arc;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use super::Span;

/// One text with its name and its place in the offset space.
#[derive(Clone, Debug)]
pub struct SourceFile {
    name: String,
    text: Arc<str>,
    base: u32,
    line_starts: Vec<u32>,
}

impl SourceFile {
    /// The name shown to the reader: a path, or `std/…` for the embedded library.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The offset of the first byte.
    pub fn base(&self) -> u32 {
        self.base
    }

    /// The whole file; an empty file has an empty span.
    pub fn span(&self) -> Span {
        Span::new(self.base, self.end())
    }

    fn end(&self) -> u32 {
        self.base + self.text.len() as u32
    }
}

/// A place for a reader: both numbers start at 1, columns count characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The name of the file.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// The texts of a run. Offsets start at 1, so that [`Span::NONE`] is no place in any file.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<SourceFile>,
    pub(super) data: Vec<Arc<super::Tensors>>,
}

impl SourceMap {
    /// No files yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text and returns the offset of its first byte.
    ///
    /// # Panics
    /// When all texts together pass 4 GiB; [`SourceMap::read`](SourceMap::read) refuses files long before.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<Arc<str>>) -> u32 {
        let text: Arc<str> = text.into();
        let base = self.next_base();
        assert!(u64::from(base) + (text.len() as u64) < u64::from(u32::MAX), "the sources of a run pass 4 GiB");
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at as u32 + 1)).collect();
        self.files.push(SourceFile { name: name.into(), text, base, line_starts });
        base
    }

    /// The offset that the next file would get.
    pub(super) fn next_base(&self) -> u32 {
        // One byte between files, so that the end of one is not the start of the next.
        self.files.last().map_or(1, |last| last.end() + 1)
    }

    /// The files in the order in which they were added.
    pub fn files(&self) -> &[SourceFile] {
        &self.files
    }

    /// The file that holds an offset.
    pub fn file_at(&self, offset: u32) -> Option<&SourceFile> {
        let after = self.files.partition_point(|file| file.base <= offset);
        self.files[..after].last().filter(|file| offset <= file.end())
    }

    /// The text of a span; empty for a span that lies in no file.
    pub fn text(&self, span: Span) -> &str {
        self.file_at(span.start)
            .and_then(|file| {
                file.text.get((span.start - file.base) as usize..(span.end.checked_sub(file.base)?) as usize)
            })
            .unwrap_or("")
    }

    /// File, line and column of an offset.
    pub fn location(&self, offset: u32) -> Option<Location> {
        let file = self.file_at(offset)?;
        let within = offset - file.base;
        let line = file.line_starts.partition_point(|start| *start <= within);
        let start = file.line_starts[line - 1] as usize;
        let before = file.text.get(start..within as usize)?;
        Some(Location { file: file.name.clone(), line, column: before.chars().count() + 1 })
    }
}

/// Bytes of a snippet beyond which only a window is shown.
const LONGEST_SNIPPET: usize = 2000;
/// Bytes before and after a span in such a window.
const WINDOW: usize = 60;

fn char_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl SourceCode for SourceMap {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let start = u32::try_from(span.offset()).map_err(|_| MietteError::OutOfBounds)?;
        let file = self.file_at(start).ok_or(MietteError::OutOfBounds)?;
        // A span over two files is refused, which keeps the snippets of two files apart.
        if span.offset() + span.len() > file.end() as usize {
            return Err(MietteError::OutOfBounds);
        }
        let base = file.base as usize;
        let within = SourceSpan::from((span.offset() - base, span.len()));
        let contents = SourceCode::read_span(&*file.text, &within, lines_before, lines_after)?;
        let shown = *contents.span();
        let text = &*file.text;
        if shown.len() > LONGEST_SNIPPET && span.len() < LONGEST_SNIPPET / 2 {
            // A line of megabytes: a window around the span is all that a reader can use.
            let window = char_boundary(text, within.offset().saturating_sub(WINDOW).max(shown.offset()))
                ..char_boundary(text, (within.offset() + within.len() + WINDOW).min(shown.offset() + shown.len()));
            let at = self.location(start).ok_or(MietteError::OutOfBounds)?;
            let lines = text[window.clone()].matches('\n').count();
            let above = text[window.start..within.offset()].matches('\n').count();
            return Ok(Box::new(MietteSpanContents::new_named(
                file.name.clone(),
                &text.as_bytes()[window.clone()],
                SourceSpan::from((window.start + base, window.len())),
                at.line - 1 - above,
                at.column - 1,
                lines + 1,
            )));
        }
        Ok(Box::new(MietteSpanContents::new_named(
            file.name.clone(),
            contents.data(),
            SourceSpan::from((shown.offset() + base, shown.len())),
            contents.line(),
            contents.column(),
            contents.line_count(),
        )))
    }
}
