//! A text in the other spelling, by edits at the places of its tree, so that comments and lines stay.

use super::Mode;
use super::edits::Edits;
use super::levels::{CHAIN, FREE, OPERAND, POSTFIXED, infix, level};
use super::places::{Places, Position, each_dotted, each_root};
use crate::source::{to_ascii, to_unicode};
use crate::syntax::tokens::{Token, TokenKind, tokens};
use crate::syntax::tree::{BinaryOp, Differential, Expr, ExprKind, File, Spelling, UnaryOp};

/// Changes the spelling of names and signs.
pub(super) fn respell(text: &str, base: u32, tree: &File, mode: Mode) -> String {
    let mut rewrite = Rewrite { text, base, tokens: tokens(text), edits: Edits::default(), ascii: mode == Mode::Ascii };
    each_root(tree, &mut |expr, position| {
        rewrite.expr(expr, if position == Position::Integrand { CHAIN } else { FREE });
    });
    each_dotted(tree, &mut |integrand, differential| rewrite.dotted(integrand, differential));
    rewrite.words(&Places::of(tree, base));
    rewrite.edits.apply(text)
}

/// The walk over the tree; [`in_words`](super::in_words) and [`in_signs`](super::in_signs) hold what is special to
/// each way.
pub(super) struct Rewrite<'t> {
    pub text: &'t str,
    pub base: u32,
    pub tokens: Vec<Token<'t>>,
    pub edits: Edits,
    pub ascii: bool,
}

impl Rewrite<'_> {
    pub fn start(&self, expr: &Expr) -> usize {
        (expr.span.start - self.base) as usize
    }

    pub fn end(&self, expr: &Expr) -> usize {
        (expr.span.end - self.base) as usize
    }

    /// Rewrites an expression that stands where the grammar takes forms of `required` or tighter.
    pub fn expr(&mut self, expr: &Expr, required: u8) {
        let special = if self.ascii { self.in_words(expr) } else { self.in_signs(expr) };
        let reached = match special {
            // The closing parenthesis must come after what the parts insert, so parts are walked in between.
            Some(change) => {
                let wrap = change.level < required;
                if wrap {
                    self.edits.insert(self.start(expr), "(");
                }
                (change.apply)(self);
                if wrap {
                    self.edits.insert(self.end(expr), ")");
                }
                return;
            }
            None => level(expr),
        };
        let wrap = reached < required;
        if wrap {
            self.edits.insert(self.start(expr), "(");
        }
        self.parts(expr);
        if wrap {
            self.edits.insert(self.end(expr), ")");
        }
    }

    /// Rewrites the parts of a form that keeps its spelling.
    pub fn parts(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Number { .. } | ExprKind::Text(_) | ExprKind::Bool(_) | ExprKind::Name(_) | ExprKind::Hole => {}
            ExprKind::Group(inner)
            | ExprKind::Lambda(_, inner)
            | ExprKind::Norm(_, inner)
            | ExprKind::Variance(inner) => self.expr(inner, FREE),
            ExprKind::Expectation(inner, condition) => {
                self.expr(inner, FREE);
                if let Some(condition) = condition {
                    self.expr(condition, FREE);
                }
            }
            ExprKind::Comprehension(entry, indices) => {
                self.expr(entry, FREE);
                for (_, from, to) in indices {
                    self.expr(from, FREE);
                    self.expr(to, FREE);
                }
            }
            ExprKind::Tuple(entries) | ExprKind::List(entries) => {
                for entry in entries {
                    self.expr(entry, FREE);
                }
            }
            ExprKind::Range(from, to) => {
                self.expr(from, FREE);
                self.expr(to, FREE);
            }
            ExprKind::If(when, then, otherwise) => {
                for part in [when, then, otherwise] {
                    self.expr(part, FREE);
                }
            }
            ExprKind::Unary(op, spelling, operand) => {
                let word = *spelling == Spelling::Word && *op == UnaryOp::SquareRoot;
                let required = match op {
                    UnaryOp::Not => super::levels::NOT,
                    UnaryOp::Negate | UnaryOp::SquareRoot => super::levels::FACTOR,
                };
                self.expr(operand, if word { FREE } else { required });
            }
            ExprKind::Binary(op, _, left, right) => {
                // A call such as `dot(u, v)` or `norm2(x)` takes anything; a superscript asks for a tight base.
                let (_, for_left, for_right) = match level(expr) {
                    POSTFIXED if left.span.end == expr.span.end => (FREE, FREE, FREE),
                    POSTFIXED if *op == BinaryOp::Dot => (FREE, FREE, FREE),
                    POSTFIXED => (POSTFIXED, POSTFIXED, FREE),
                    _ => infix(*op),
                };
                self.expr(left, for_left);
                // The exponent of a superscript and of `norm2` has no text of its own to change.
                if level(expr) != POSTFIXED || *op == BinaryOp::Dot {
                    self.expr(right, for_right);
                }
            }
            ExprKind::Postfix(_, spelling, operand) => {
                let word = *spelling == Spelling::Word;
                self.expr(operand, if word { FREE } else { POSTFIXED });
            }
            ExprKind::Call(function, arguments) => {
                self.expr(function, POSTFIXED);
                for argument in arguments {
                    self.expr(&argument.value, FREE);
                }
            }
            ExprKind::Index(of, entries) => {
                self.expr(of, POSTFIXED);
                for entry in entries {
                    self.expr(entry, FREE);
                }
            }
            ExprKind::Member(of, _) => self.expr(of, POSTFIXED),
            ExprKind::With(of, members) => {
                self.expr(of, OPERAND);
                for member in members {
                    self.expr(&member.value, FREE);
                }
            }
            ExprKind::Gradient(_, of)
            | ExprKind::Jacobian(_, of)
            | ExprKind::Divergence(of)
            | ExprKind::Laplacian(_, of) => self.expr(of, POSTFIXED),
            ExprKind::Partial(_, _, of) => self.expr(of, OPERAND),
            ExprKind::MeanOver(_, drawn, of) => {
                if let Some(drawn) = drawn {
                    self.expr(drawn, FREE);
                }
                self.expr(of, CHAIN);
            }
            ExprKind::Sum(_, _, bounds, of) => {
                if let Some(bounds) = bounds {
                    self.expr(&bounds.0, FREE);
                    self.expr(&bounds.1, FREE);
                }
                self.expr(of, CHAIN);
            }
            ExprKind::Integral(integral) => {
                if let Some((from, to)) = &integral.bounds {
                    self.expr(from, FREE);
                    self.expr(to, FREE);
                }
                self.expr(&integral.integrand, CHAIN);
                if integral.dot {
                    self.dotted(&integral.integrand, &integral.differential);
                }
                if let Some(at) = &integral.differential.at {
                    self.expr(at, FREE);
                }
            }
        }
    }

    /// `v·dW` and `v dot dW`.
    fn dotted(&mut self, integrand: &Expr, differential: &Differential) {
        let (start, end) = (self.end(integrand), (differential.span.start - self.base) as usize);
        if !self.is_plain(start, end) {
            return;
        }
        if self.ascii {
            self.edits.replace(start, end, " dot ");
        } else if is_dotted_word(&to_unicode(&differential.name.text)) && !super::levels::ends_open(integrand) {
            self.edits.replace(start, end, "·");
        }
    }

    /// Whether a range may be replaced without losing a comment.
    pub fn is_plain(&self, start: usize, end: usize) -> bool {
        !self.text[start..end].contains("//")
    }

    /// The first token at or after an offset that is no comment.
    pub fn token_at(&self, at: usize) -> Option<Token<'_>> {
        let first = self.tokens.partition_point(|token| token.start < at);
        self.tokens[first..].iter().find(|token| token.kind != TokenKind::Comment).copied()
    }

    /// Names, which stand in many places of the tree but are all words of the text.
    fn words(&mut self, places: &Places) {
        let replaced = self.edits.replaced();
        for token in std::mem::take(&mut self.tokens) {
            let before = replaced.partition_point(|(start, _)| *start <= token.start);
            if before > 0 && token.start < replaced[before - 1].1 {
                continue;
            }
            let new = match token.kind {
                TokenKind::Sign if self.ascii && token.text == "→" => "->".to_owned(),
                TokenKind::Sign if self.ascii && token.text == "±" => "+/-".to_owned(),
                TokenKind::Sign if !self.ascii && token.text == "+/-" => "±".to_owned(),
                TokenKind::Word if places.differentials.contains(&token.start) => {
                    format!("d{}", self.word(&token.text[1..]))
                }
                TokenKind::Word => self.word(token.text),
                _ => continue,
            };
            if new != token.text {
                self.edits.replace(token.start, token.end(), new);
            }
        }
    }

    fn word(&self, word: &str) -> String {
        match word {
            _ if self.ascii => to_ascii(word),
            // As a name it has no other sign, and before a bracket it is the sum.
            "Σ" => word.to_owned(),
            _ => to_unicode(word),
        }
    }
}

/// Whether `·d…` is read as a differential: one letter with digits and marks, or a capital first.
pub(super) fn is_dotted_word(name: &str) -> bool {
    let mut letters = name.chars();
    let Some(first) = letters.next() else { return false };
    first.is_uppercase() || letters.all(|letter| !letter.is_alphabetic() && letter != '_')
}

/// A form in its other spelling: how tightly it binds then, and what makes it so.
pub(super) struct Change<'e> {
    pub level: u8,
    pub apply: Box<dyn for<'a, 't> FnOnce(&'a mut Rewrite<'t>) + 'e>,
}
