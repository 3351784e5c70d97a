//! The blanks between two tokens of a line.

use std::collections::BTreeSet;

use super::places::Places;
use crate::syntax::tokens::{Token, TokenKind, is_superscript};

/// What a token does where it stands; the same `-` may be either operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Between two operands.
    Infix,
    /// Before its operand.
    Prefix,
    /// `{` or `}` of a list of names.
    Names,
    /// `{` or `}` of a body.
    Body,
    /// Anything else.
    Plain,
}

/// The roles of all tokens.
pub(super) fn roles(tokens: &[Token<'_>], places: &Places) -> Vec<Role> {
    let mut braces: Vec<Role> = Vec::new();
    let mut previous: Option<&Token<'_>> = None;
    let mut roles = Vec::with_capacity(tokens.len());
    for token in tokens {
        let role = match token.text {
            "{" => {
                let role = if previous.is_some_and(|token| token.text == ".") { Role::Names } else { Role::Body };
                braces.push(role);
                role
            }
            "}" => braces.pop().unwrap_or(Role::Body),
            "-" if places.prefix_signs.contains(&token.start) => Role::Prefix,
            "√" | "∇" | "∂" => Role::Prefix,
            "+" | "-" | "*" | "/" | "·" | "⋅" | "^" => {
                let operand = previous.is_some_and(Token::ends_operand);
                if operand { Role::Infix } else { Role::Prefix }
            }
            _ => Role::Plain,
        };
        roles.push(role);
        if token.kind != TokenKind::Comment {
            previous = Some(token);
        }
    }
    roles
}

/// How many blanks stand between neighbours of a line; `gap` is what the author wrote.
pub(super) fn blanks(
    tokens: &[Token<'_>],
    roles: &[Role],
    infix_spaced: &BTreeSet<usize>,
    places: &Places,
    at: usize,
    gap: usize,
) -> usize {
    let (left, right) = (&tokens[at - 1], &tokens[at]);
    let (left_role, right_role) = (roles[at - 1], roles[at]);
    let kept = gap.min(1);
    if right.text == "," || left.text == "." || right.text == "." || left.text == ".." || right.text == ".." {
        return 0;
    }
    if left.text == "," || left.text == ":" {
        return 1;
    }
    if right.text == ":" || left_role == Role::Names && left.text == "{" || right_role == Role::Names {
        return 0;
    }
    // Two statements on a line stand further apart than two words of one.
    if places.statements.contains(&right.start) && left.text != "{" {
        return 2;
    }
    if left_role == Role::Body || right_role == Role::Body {
        return usize::from(!(left.text == "{" && right.text == "}")) * body_gap(left, right, kept);
    }
    if is_relation(left.text) || is_relation(right.text) {
        return 1;
    }
    if left_role == Role::Prefix {
        return 0;
    }
    if right_role == Role::Infix {
        return usize::from(infix_spaced.contains(&at));
    }
    if left_role == Role::Infix {
        return usize::from(infix_spaced.contains(&(at - 1)));
    }
    if right.text == "'" || right.text == "ᵀ" || is_superscript(right.text) {
        return 0;
    }
    let words = matches!(left.kind, TokenKind::Word | TokenKind::Number | TokenKind::Text)
        && matches!(right.kind, TokenKind::Word | TokenKind::Number | TokenKind::Text);
    if words || places.differentials.contains(&right.start) {
        return 1;
    }
    kept
}

/// `)` before a body and words around it stand apart; `}` before a closing bracket may touch.
fn body_gap(left: &Token<'_>, right: &Token<'_>, kept: usize) -> usize {
    if left.text == "}" && matches!(right.text, ")" | "]" | "|" | "'") { kept } else { 1 }
}

fn is_relation(text: &str) -> bool {
    matches!(
        text,
        "=" | ":=" | "~" | "->" | "→" | "=>" | "<" | "<=" | "≤" | ">" | ">=" | "≥" | "!=" | "≠" | "±" | "+/-"
    )
}

/// The infix operators that stand between blanks: those with a blank on either side in the author's text.
pub(super) fn spaced_infixes(tokens: &[Token<'_>], roles: &[Role], text: &str) -> BTreeSet<usize> {
    let gap_before = |at: usize| at > 0 && tokens[at - 1].end() < tokens[at].start;
    let mut spaced = BTreeSet::new();
    for at in 0..tokens.len() {
        if roles[at] != Role::Infix {
            continue;
        }
        let line_break = |from: usize, to: usize| text[from..to].contains('\n');
        let breaks_before = at == 0 || line_break(tokens[at - 1].end(), tokens[at].start);
        let breaks_after = tokens.get(at + 1).is_none_or(|next| line_break(tokens[at].end(), next.start));
        // At the edge of a line only the inner side tells.
        let before = gap_before(at) && !breaks_before;
        let after = gap_before(at + 1) && !breaks_after;
        if before || after || breaks_after {
            spaced.insert(at);
        }
    }
    spaced
}
