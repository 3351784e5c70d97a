//! One linear look at a text before the parser: comments, strings and brackets.
//!
//! It keeps deep nesting away from the recursive parser, finds brackets that do not match, and knows where blanks and
//! comments lie, so that spans end at the last character that matters.

/// A comment, from its slashes to the end of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment {
    /// First byte.
    pub start: usize,
    /// One past the last byte, before the line's end.
    pub end: usize,
}

/// A bracket and its partner.
#[derive(Clone, Copy, Debug)]
pub struct Bracket {
    /// Where it opens.
    pub open: usize,
    /// Where it closes.
    pub close: Option<usize>,
}

/// What is wrong with brackets and strings.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// No partner for the opening bracket.
    Unclosed {
        /// The bracket.
        open: usize,
        /// Whether the next item came first, or the end of the file.
        next_item: bool,
    },
    /// A closing bracket after an opening one of another kind.
    Mismatch {
        /// The opening bracket.
        open: usize,
        /// The closing one.
        close: usize,
    },
    /// A closing bracket with nothing open.
    Unopened {
        /// The bracket.
        close: usize,
    },
    /// A string that does not end on its line.
    UnclosedText {
        /// The quote.
        open: usize,
    },
    /// More open brackets than the parser takes.
    TooDeep {
        /// The first bracket that is one too many.
        open: usize,
    },
}

/// Words that start an item.
pub const ITEM_WORDS: &[&str] = &[
    "cite", "use", "let", "problem", "loss", "method", "layer", "net", "frozen", "sweep", "train", "measure", "plot",
    "table", "expect", "profile",
];

/// Faults reported per file before the rest is left alone.
const MOST_FAULTS: usize = 20;

/// The brackets a text may have open at once.
pub const MAX_DEPTH: usize = 128;

/// Comments, brackets and their faults.
#[derive(Debug, Default)]
pub struct Scan {
    /// In order.
    pub comments: Vec<Comment>,
    /// In the order in which they open.
    pub brackets: Vec<Bracket>,
    /// In the order in which they were met; the scan ends at the first that is too deep.
    pub faults: Vec<Fault>,
}

impl Scan {
    /// Looks over the text; when brackets do not match, a second time, taking each item at the margin for a new start.
    pub fn new(text: &str) -> Self {
        let scan = Self::look(text, false);
        match scan.faults.last() {
            None | Some(Fault::TooDeep { .. }) => scan,
            Some(_) => Self::look(text, true),
        }
    }

    fn look(text: &str, margins: bool) -> Self {
        let bytes = text.as_bytes();
        let mut scan = Self::default();
        let mut open: Vec<usize> = Vec::new();
        let mut at = 0;
        while at < bytes.len() && scan.faults.len() < MOST_FAULTS {
            if margins && !open.is_empty() && (at == 0 || bytes[at - 1] == b'\n') {
                scan.restart(text, &mut open, at);
            }
            match bytes[at] {
                b'/' if bytes.get(at + 1) == Some(&b'/') => {
                    let end = line_end(bytes, at);
                    let shown = if bytes[at..end].ends_with(b"\r") { end - 1 } else { end };
                    scan.comments.push(Comment { start: at, end: shown });
                    at = end;
                    continue;
                }
                b'"' => {
                    let end = line_end(bytes, at);
                    let Some(length) = bytes[at + 1..end].iter().position(|byte| *byte == b'"') else {
                        scan.faults.push(Fault::UnclosedText { open: at });
                        at = end;
                        continue;
                    };
                    at += length + 1;
                }
                b'(' | b'[' | b'{' => {
                    if open.len() == MAX_DEPTH {
                        scan.faults.push(Fault::TooDeep { open: at });
                        return scan;
                    }
                    scan.brackets.push(Bracket { open: at, close: None });
                    open.push(scan.brackets.len() - 1);
                }
                b')' | b']' | b'}' => scan.close(bytes, &mut open, at),
                _ => {}
            }
            at += 1;
        }
        for bracket in open.into_iter().take(MOST_FAULTS) {
            scan.faults.push(Fault::Unclosed { open: scan.brackets[bracket].open, next_item: false });
        }
        scan
    }

    /// At an item at the margin every open bracket was forgotten; but `let` and `use` may also stand in a body.
    fn restart(&mut self, text: &str, open: &mut Vec<usize>, at: usize) {
        let word = text[at..].split(|letter: char| !letter.is_alphanumeric() && letter != '_').next();
        let Some(word) = word.filter(|word| ITEM_WORDS.contains(word)) else { return };
        let in_body = matches!(word, "let" | "use");
        while let Some(bracket) = open.last() {
            let place = self.brackets[*bracket].open;
            if in_body && text.as_bytes()[place] == b'{' {
                return;
            }
            self.faults.push(Fault::Unclosed { open: place, next_item: true });
            self.brackets[*bracket].close = Some(at);
            open.pop();
        }
    }

    /// Pairs a closing bracket. When an outer bracket fits and the innermost does not, the inner ones were forgotten.
    fn close(&mut self, bytes: &[u8], open: &mut Vec<usize>, at: usize) {
        let fits = |bracket: &usize| partner(bytes[self.brackets[*bracket].open]) == bytes[at];
        let Some(position) = open.iter().rposition(fits) else {
            match open.pop() {
                Some(bracket) => {
                    self.faults.push(Fault::Mismatch { open: self.brackets[bracket].open, close: at });
                    self.brackets[bracket].close = Some(at);
                }
                None => self.faults.push(Fault::Unopened { close: at }),
            }
            return;
        };
        for forgotten in open.drain(position + 1..) {
            self.faults.push(Fault::Mismatch { open: self.brackets[forgotten].open, close: at });
            self.brackets[forgotten].close = Some(at);
        }
        if let Some(bracket) = open.pop() {
            self.brackets[bracket].close = Some(at);
        }
    }

    /// Where a rule's text really ends: before the blanks and comments that it ran over.
    pub fn trim_end(&self, text: &str, mut end: usize) -> usize {
        loop {
            end = text[..end].trim_end_matches(is_blank).len();
            let line_ends = matches!(text.as_bytes().get(end), None | Some(b'\n' | b'\r' | b' ' | b'\t'));
            match line_ends.then(|| self.comment_over(end)).flatten() {
                Some(comment) => end = comment.start,
                None => return end,
            }
        }
    }

    /// The comment whose text reaches to `end`, up to blanks at its own end.
    fn comment_over(&self, end: usize) -> Option<Comment> {
        let after = self.comments.partition_point(|comment| comment.start < end);
        self.comments[..after].last().copied().filter(|comment| end <= comment.end)
    }

    /// The first offset from `start` that is no blank and no comment.
    pub fn skip_blanks(&self, text: &str, mut start: usize) -> usize {
        loop {
            start = text.len() - text[start..].trim_start_matches(is_blank).len();
            let at = self.comments.partition_point(|comment| comment.start < start);
            match self.comments.get(at) {
                Some(comment) if comment.start == start => start = comment.end,
                _ => return start,
            }
        }
    }

    /// The lines `///` directly before `start`, joined, without their marks.
    pub fn doc_before(&self, text: &str, start: usize) -> String {
        let after = self.comments.partition_point(|comment| comment.start < start);
        let mut lines = Vec::new();
        let mut next = start;
        for comment in self.comments[..after].iter().rev() {
            let line = &text[comment.start..comment.end];
            let adjoins = text[comment.end..next].trim_matches(is_blank).is_empty();
            if !adjoins || !line.starts_with("///") || !stands_alone(text, comment.start) {
                break;
            }
            lines.push(line[3..].strip_prefix(' ').unwrap_or(&line[3..]).trim_end());
            next = comment.start;
        }
        lines.reverse();
        lines.join("\n")
    }

    /// The `//!` lines at the head of the text, joined, without their marks.
    pub fn head_doc(&self, text: &str) -> String {
        let mut lines = Vec::new();
        let mut next = 0;
        for comment in &self.comments {
            let line = &text[comment.start..comment.end];
            if !text[next..comment.start].trim_matches(is_blank).is_empty() || !line.starts_with("//!") {
                break;
            }
            lines.push(line[3..].strip_prefix(' ').unwrap_or(&line[3..]).trim_end());
            next = comment.end;
        }
        lines.join("\n")
    }

    /// The innermost bracket around an offset.
    pub fn bracket_around(&self, at: usize) -> Option<&Bracket> {
        self.brackets
            .iter()
            .take_while(|bracket| bracket.open < at)
            .filter(|bracket| bracket.close.is_none_or(|close| at <= close))
            .last()
    }
}

/// Whether nothing but blanks stands before `start` on its line.
fn stands_alone(text: &str, start: usize) -> bool {
    let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
    text[line..start].trim_matches(is_blank).is_empty()
}

/// What the grammar skips, apart from comments.
pub fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\n' | '\t' | '\r' | '\u{feff}')
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| from + length)
}

fn partner(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}

impl Fault {
    /// Where the text goes wrong, at the earliest.
    pub fn place(self) -> usize {
        match self {
            Self::Unclosed { open, .. }
            | Self::UnclosedText { open }
            | Self::TooDeep { open }
            | Self::Mismatch { open, .. } => open,
            Self::Unopened { close } => close,
        }
    }
}
