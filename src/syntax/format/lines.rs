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
    /// The sign of a definition: its column within the code, the author's column, whether the author padded it.
    pub sign: Option<(usize, usize, bool)>,
}

impl Line {
    /// Columns up to the end of the code.
    pub fn width(&self) -> usize {
        if self.code.is_empty() { 0 } else { self.indent + self.code.chars().count() }
    }
}

/// Keeps `=` under `=` in neighbouring lines where the author padded one of them to that end.
pub(super) fn align_signs(lines: &mut [Line]) {
    let mut first = 0;
    while first < lines.len() {
        let Some((_, old, _)) = lines[first].sign else {
            first += 1;
            continue;
        };
        let same = |line: &&Line| line.sign.is_some_and(|(_, column, _)| column == old) && !line.blank_before;
        let run = 1 + lines[first + 1..].iter().take_while(same).count();
        let group = &mut lines[first..first + run];
        let padded = run > 1 && group.iter().any(|line| line.sign.is_some_and(|(_, _, wide)| wide));
        if padded {
            let column = |line: &Line| line.sign.map_or(0, |(at, _, _)| line.indent + at);
            let widest = group.iter().map(column).max().unwrap_or(0);
            for line in group {
                let pad = widest - column(line);
                if let Some((at, _, _)) = line.sign {
                    let byte = line.code.char_indices().nth(at).map_or(line.code.len(), |(byte, _)| byte);
                    line.code.insert_str(byte, &" ".repeat(pad));
                }
            }
        }
        first += run;
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
