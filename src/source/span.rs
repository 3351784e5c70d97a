//! A place in the sources: a range of bytes in the one offset space that all files of a run share.

use serde::{Deserialize, Serialize};

/// Bytes `start..end` of the offset space of a [`SourceMap`](super::SourceMap).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The place of things that no text wrote, such as constants the compiler makes.
    pub const NONE: Self = Self { start: 0, end: 0 };

    /// The span `start..end`.
    pub const fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// Whether this is [`Span::NONE`].
    pub const fn is_none(self) -> bool {
        self.end == 0
    }

    /// The smallest span that holds both; a span that is none does not count.
    pub fn to(self, other: Self) -> Self {
        if self.is_none() {
            return other;
        }
        if other.is_none() {
            return self;
        }
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

impl From<Span> for miette::SourceSpan {
    fn from(span: Span) -> Self {
        Self::from((span.start as usize, (span.end.saturating_sub(span.start)) as usize))
    }
}
