//! Lines of output, and what their authors aligned across them.

/// A line before it is printed.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Whether a blank line stands before it.
    pub blank_before: bool,
    /// Blanks before the code.
    pub indent: usize,
    /// The code, with its inner blanks.
    pub code: String,
    /// The comment at its end and the column where it stands.
    pub comment: Option<(String, usize)>,
    /// Its first `->` and its first `=` or `~`.
    pub signs: [Option<Sign>; 2],
}

/// A sign that authors align across lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sign {
    /// Its column within the code.
    pub at: usize,
    /// The author's column.
    pub old: usize,
    /// Whether the author put more than one blank before it.
    pub padded: bool,
}

impl Line {
    /// Columns up to the end of the code.
    pub fn width(&self) -> usize {
        if self.code.is_empty() { 0 } else { self.indent + self.code.chars().count() }
    }
}

/// Keeps a sign under its like in neighbouring lines where the author padded one of them to that end.
pub(super) fn align_signs(lines: &mut [Line]) {
    for kind in 0..2 {
        let mut first = 0;
        while first < lines.len() {
            let Some(sign) = lines[first].signs[kind] else {
                first += 1;
                continue;
            };
            let same = |line: &&Line| line.signs[kind].is_some_and(|other| other.old == sign.old) && !line.blank_before;
            let run = 1 + lines[first + 1..].iter().take_while(same).count();
            let group = &mut lines[first..first + run];
            if run > 1 && group.iter().any(|line| line.signs[kind].is_some_and(|sign| sign.padded)) {
                pad(group, kind);
            }
            first += run;
        }
    }
}

fn pad(group: &mut [Line], kind: usize) {
    let column = |line: &Line| line.signs[kind].map_or(0, |sign| line.indent + sign.at);
    let widest = group.iter().map(column).max().unwrap_or(0);
    for line in group {
        let blanks = widest - column(line);
        if let Some(Sign { at, .. }) = line.signs[kind] {
            let byte = line.code.char_indices().nth(at).map_or(line.code.len(), |(byte, _)| byte);
            line.code.insert_str(byte, &" ".repeat(blanks));
            for sign in line.signs.iter_mut().flatten().filter(|sign| sign.at >= at) {
                sign.at += blanks;
            }
        }
    }
}

/// Puts comments behind code two blanks away or at the author's column; those that stood in one column stay in one.
pub(super) fn align_comments(lines: &mut [Line]) {
    let mut first = 0;
    while first < lines.len() {
        let trailing = |line: &&Line| line.comment.is_some() && !line.code.is_empty();
        let run = lines[first..].iter().take_while(trailing).count();
        if run == 0 {
            // A comment alone on its line stands where code would.
            let indent = lines[first].indent;
            if let Some((_, column)) = &mut lines[first].comment {
                *column = indent;
            }
            first += 1;
            continue;
        }
        let group = &mut lines[first..first + run];
        let columns: Vec<usize> = group.iter().filter_map(|line| line.comment.as_ref().map(|(_, at)| *at)).collect();
        for at in 0..run {
            let least = (0..run).filter(|other| columns[*other] == columns[at]).map(|other| group[other].width() + 2);
            let column = least.max().unwrap_or(0).max(columns[at]);
            if let Some((_, place)) = &mut group[at].comment {
                *place = column;
            }
        }
        first += run;
    }
}
