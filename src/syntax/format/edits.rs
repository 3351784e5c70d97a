//! Changes to a text, collected while the tree is walked and applied at once.

/// Replacements of ranges of bytes that do not overlap.
#[derive(Debug, Default)]
pub(super) struct Edits {
    edits: Vec<(usize, usize, String)>,
}

impl Edits {
    /// Puts `with` where `start..end` was. Several insertions at one place keep the order in which they were made, and
    /// stand before what replaces the text from there on.
    pub fn replace(&mut self, start: usize, end: usize, with: impl Into<String>) {
        self.edits.push((start, end, with.into()));
    }

    /// Puts `what` before the byte at `at`.
    pub fn insert(&mut self, at: usize, what: impl Into<String>) {
        self.replace(at, at, what);
    }

    /// The ranges of text that something replaces, in order.
    pub fn replaced(&self) -> Vec<(usize, usize)> {
        let mut ranges: Vec<_> =
            self.edits.iter().filter(|(from, to, _)| from < to).map(|(from, to, _)| (*from, *to)).collect();
        ranges.sort_unstable();
        ranges
    }

    /// The changed text.
    pub fn apply(mut self, text: &str) -> String {
        self.edits.sort_by_key(|(start, end, _)| (*start, *end > *start));
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (start, end, with) in &self.edits {
            if *start > at {
                out.push_str(&text[at..*start]);
            }
            out.push_str(with);
            at = at.max(*end);
        }
        out.push_str(&text[at..]);
        out
    }
}
