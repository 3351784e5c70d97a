//! A text as the flat list of its tokens, by the grammar's own lexical rules: for wording errors and for the printer.

use pest::Parser as _;

use super::grammar::{Grammar, Rule};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// From `//` to the end of the line.
    Comment,
    /// A string.
    Text,
    /// A number.
    Number,
    /// A name or a word of the language.
    Word,
    /// Signs and brackets.
    Sign,
    /// A character that the language does not use.
    Other,
}

/// A token and its place in the text.
#[derive(Clone, Copy, Debug)]
pub struct Token<'t> {
    /// What it is.
    pub kind: TokenKind,
    /// The characters.
    pub text: &'t str,
    /// First byte.
    pub start: usize,
}

impl Token<'_> {
    /// One past the last byte.
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether an operand may end with this token.
    pub fn ends_operand(&self) -> bool {
        match self.kind {
            TokenKind::Text | TokenKind::Number => true,
            TokenKind::Word => !is_operator_word(self.text),
            TokenKind::Sign => {
                matches!(self.text, ")" | "]" | "}" | "'" | "ᵀ" | "|" | "_") || is_superscript(self.text)
            }
            TokenKind::Comment | TokenKind::Other => false,
        }
    }

    /// Whether an operand may start with this token.
    pub fn starts_operand(&self) -> bool {
        match self.kind {
            TokenKind::Text | TokenKind::Number | TokenKind::Word => true,
            TokenKind::Sign => matches!(self.text, "(" | "[" | "|" | "∇" | "∂" | "∫" | "√" | "Δ" | "∆" | "∑" | "_"),
            TokenKind::Comment | TokenKind::Other => false,
        }
    }
}

/// Words after which an operand is still to come.
fn is_operator_word(word: &str) -> bool {
    matches!(
        word,
        "and"
            | "or"
            | "not"
            | "if"
            | "then"
            | "else"
            | "let"
            | "return"
            | "with"
            | "requires"
            | "grad"
            | "jac"
            | "laplacian"
            | "div"
            | "int"
            | "minimize"
            | "over"
            | "by"
            | "under"
            | "of"
            | "use"
            | "in"
            | "expect"
    )
}

/// `²`, `⁻¹`, `⁻ᵀ`
pub fn is_superscript(text: &str) -> bool {
    text.starts_with(['⁻', '⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'])
}

/// All tokens in order.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let Ok(mut pairs) = Grammar::parse(Rule::tokens, text) else { return Vec::new() };
    let Some(all) = pairs.next() else { return Vec::new() };
    let tokens = all.into_inner().filter_map(|pair| {
        let kind = match pair.as_rule() {
            Rule::comment => TokenKind::Comment,
            Rule::text => TokenKind::Text,
            Rule::number => TokenKind::Number,
            Rule::word => TokenKind::Word,
            Rule::punctuation => TokenKind::Sign,
            Rule::other => TokenKind::Other,
            _ => return None,
        };
        Some(Token { kind, text: pair.as_str(), start: pair.as_span().start() })
    });
    tokens.collect()
}
