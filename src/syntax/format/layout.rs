//! Indentation and lines: the author's line breaks, two blanks per brace.
//!
//! A line that starts a statement stands at its depth. A line that goes on with one keeps its place relative to the
//! line where the statement starts, so that columns the author aligned stay aligned.

use super::lines::{Line, Sign, align_comments, align_signs};
use super::places::Places;
use super::spacing::{Role, blanks, roles, spaced_infixes};
use crate::syntax::tokens::{Token, TokenKind, tokens};
use crate::syntax::tree::File;

const STEP: usize = 2;

/// Prints the tokens of a text anew.
pub(super) fn lay_out(text: &str, base: u32, tree: &File) -> String {
    let places = Places::of(tree, base);
    let all = tokens(text);
    let code: Vec<Token<'_>> = all.iter().filter(|token| token.kind != TokenKind::Comment).copied().collect();
    let roles = roles(&code, &places);
    let spaced = spaced_infixes(&code, &roles, text);
    let mut layout = Layout { places: &places, depth: 0, shift: 0, anchor: 0 };
    let mut lines: Vec<Line> = Vec::new();
    let mut next = 0;
    let mut end_of_last = 0;
    for (first, last) in token_lines(&all, text) {
        let line_tokens = &all[first..last];
        let comment = line_tokens.last().filter(|token| token.kind == TokenKind::Comment);
        let count = line_tokens.len() - usize::from(comment.is_some());
        let blank_before = !lines.is_empty() && text[end_of_last..line_tokens[0].start].matches('\n').count() > 1;
        let old = column(text, line_tokens[0].start);
        let indent = layout.indent(&code, &roles, next, count, old);
        let mut line = Line { blank_before, indent, ..Line::default() };
        for at in next..next + count {
            if at > next {
                let gap = code[at].start - code[at - 1].end();
                let blanks = blanks(&code, &roles, &spaced, &places, at, gap);
                line.code.extend(std::iter::repeat_n(' ', blanks));
            }
            layout.enter(&code[at], roles[at]);
            if let Some(kind) = layout.aligned_sign(&code, next, at).filter(|kind| line.signs[*kind].is_none()) {
                let padded = at > next && code[at].start - code[at - 1].end() > 1;
                let old = column(text, code[at].start);
                line.signs[kind] = Some(Sign { at: line.code.chars().count(), old, padded });
            }
            line.code.push_str(code[at].text);
        }
        if let Some(comment) = comment {
            line.comment = Some((comment.text.trim_end().to_owned(), column(text, comment.start)));
        }
        next += count;
        end_of_last = line_tokens[line_tokens.len() - 1].end();
        lines.push(line);
    }
    align_signs(&mut lines);
    align_comments(&mut lines);
    print(&lines)
}

fn print(lines: &[Line]) -> String {
    let mut out = String::new();
    for line in lines {
        if line.blank_before {
            out.push('\n');
        }
        if !line.code.is_empty() {
            out.extend(std::iter::repeat_n(' ', line.indent));
            out.push_str(&line.code);
        }
        if let Some((comment, column)) = &line.comment {
            out.extend(std::iter::repeat_n(' ', column.saturating_sub(line.width())));
            out.push_str(comment);
        }
        out.push('\n');
    }
    out
}

/// The ranges of tokens that share a line.
fn token_lines(tokens: &[Token<'_>], text: &str) -> Vec<(usize, usize)> {
    let mut lines: Vec<(usize, usize)> = Vec::new();
    for at in 0..tokens.len() {
        let fresh = at == 0 || text[tokens[at - 1].end()..tokens[at].start].contains('\n');
        match lines.last_mut() {
            Some(line) if !fresh => line.1 = at + 1,
            _ => lines.push((at, at + 1)),
        }
    }
    lines
}

/// Blanks before an offset on its line, tabs as one step.
fn column(text: &str, at: usize) -> usize {
    let start = text[..at].rfind('\n').map_or(0, |line| line + 1);
    text[start..at].chars().map(|letter| if letter == '\t' { STEP } else { 1 }).sum()
}

struct Layout<'t> {
    places: &'t Places,
    /// Open braces of bodies.
    depth: usize,
    /// How far the line of the current statement moved.
    shift: isize,
    /// The new indentation of that line.
    anchor: usize,
}

impl Layout<'_> {
    /// The indentation of the line whose code starts at the token `next`; `count` is 0 for a line of comment.
    fn indent(&mut self, code: &[Token<'_>], roles: &[Role], next: usize, count: usize, old: usize) -> usize {
        let Some(token) = code.get(next) else { return 0 };
        let starts = self.places.statements.contains(&token.start);
        let closes = token.text == "}" && roles[next] == Role::Body;
        if count == 0 {
            // A comment belongs to what follows it.
            return if starts || closes { STEP * self.depth } else { self.moved(old, STEP) };
        }
        if starts || closes {
            let indent = STEP * (self.depth - usize::from(closes && self.depth > 0));
            self.anchor = indent;
            self.shift = indent as isize - old as isize;
            return indent;
        }
        match token.text {
            "{" if roles[next] == Role::Body => self.anchor,
            ")" | "]" | "}" => self.moved(old, 0),
            _ => self.moved(old, STEP),
        }
    }

    /// A line that goes on: as far from its statement as before, and at least `least`.
    fn moved(&self, old: usize, least: usize) -> usize {
        let moved = (old as isize + self.shift).max(0) as usize;
        moved.max(self.anchor + least)
    }

    /// Counts the braces.
    fn enter(&mut self, token: &Token<'_>, role: Role) {
        if role == Role::Body {
            self.depth = if token.text == "{" { self.depth + 1 } else { self.depth.saturating_sub(1) };
        }
    }

    /// Which of the aligned signs the token at `at` is, on a line that starts a statement at `first`.
    fn aligned_sign(&self, code: &[Token<'_>], first: usize, at: usize) -> Option<usize> {
        let kind = match code[at].text {
            "->" | "→" => 0,
            "=" | "~" => 1,
            _ => return None,
        };
        let mut open = 0_usize;
        for token in &code[first..at] {
            match token.text {
                "(" | "[" | "{" => open += 1,
                ")" | "]" | "}" => open = open.saturating_sub(1),
                _ => {}
            }
        }
        (open == 0 && self.places.statements.contains(&code[first].start)).then_some(kind)
    }
}
