//! Operands: literals, names and what touches them from behind.

use std::sync::Arc;

use super::build::{Builder, Children};
use crate::source::{self, Name};
use crate::syntax::errors::{NumberCalled, NumberTooLarge, WordFunction};
use crate::syntax::grammar::{Pair, Rule};
use crate::syntax::tree::{Argument, BinaryOp, Expr, ExprKind, Param, PostfixOp, Spelling, UnaryOp};

impl Builder<'_> {
    /// `(x, y) => e`
    pub fn lambda(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        let mut children = Children::of(pair);
        let params = children.take_all(Rule::lambda_param).into_iter().map(|param| self.param(param)).collect();
        let body = self.expr(children.next());
        Expr { kind: ExprKind::Lambda(params, Box::new(body)), span }
    }

    /// `param` and `lambda_param`.
    pub fn param(&mut self, pair: Pair<'_>) -> Param {
        let span = self.span(&pair);
        let mut children = Children::of(pair);
        let name = self.name(&children.next());
        let ty = children.take_if(Rule::r#type).map(|ty| self.type_expr(ty));
        let default = children.take_if(Rule::expr).map(|value| self.expr(value));
        Param { name, ty, default, span }
    }

    /// Any alternative of `operand`.
    pub fn operand(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        if pair.as_rule() != Rule::postfixed {
            return self.deeper(1, span, |builder| builder.binder(pair));
        }
        let children = Children::of(pair);
        self.deeper(children.count(), span, |builder| builder.postfixed(children))
    }

    fn postfixed(&mut self, mut children: Children<'_>) -> Expr {
        let head = children.next();
        let word = (head.as_rule() == Rule::name).then(|| head.as_str());
        let mut value = self.head(head);
        let mut first = true;
        while let Some(tail) = children.take() {
            let word = word.filter(|_| first);
            first = false;
            value = self.tail(value, word, tail);
        }
        value
    }

    fn head(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::number => self.number(&pair),
            Rule::text => ExprKind::Text(self.literal(&pair).value),
            Rule::truth => ExprKind::Bool(pair.as_str() == "true"),
            Rule::hole => ExprKind::Hole,
            Rule::name => ExprKind::Name(self.name(&pair)),
            Rule::expectation => {
                let mut children = Children::of(pair);
                let of = Box::new(self.expr(children.next()));
                ExprKind::Expectation(of, children.take().map(|condition| Box::new(self.expr(condition))))
            }
            Rule::variance => ExprKind::Variance(Box::new(self.expr(Children::of(pair).next()))),
            Rule::norm => ExprKind::Norm(Spelling::Sign, Box::new(self.expr(Children::of(pair).next()))),
            Rule::group => self.group(pair),
            Rule::list => {
                let mut children = Children::of(pair);
                let mut entries = children.take_all(Rule::ranged);
                let indices = children.take_all(Rule::for_);
                if !indices.is_empty() {
                    let entry = self.ranged(entries.remove(0));
                    let indices = indices.into_iter().map(|index| {
                        let mut parts = Children::of(index);
                        let name = self.name(&parts.next());
                        let from = self.expr(parts.next());
                        (name, from, self.expr(parts.next()))
                    });
                    let kind = ExprKind::Comprehension(Box::new(entry), indices.collect());
                    return Expr { kind, span };
                }
                ExprKind::List(entries.into_iter().map(|entry| self.ranged(entry)).collect())
            }
            _ => return self.field(pair),
        };
        Expr { kind, span }
    }

    fn number(&mut self, pair: &Pair<'_>) -> ExprKind {
        let text = pair.as_str();
        let value = vulgar_fraction(text)
            .unwrap_or_else(|| text.replace('_', "").parse().expect("the grammar gives decimal digits"));
        if !value.is_finite() {
            self.sink.push(NumberTooLarge { here: self.span(pair) });
        }
        ExprKind::Number { value, text: text.into() }
    }

    fn group(&mut self, pair: Pair<'_>) -> ExprKind {
        let mut children = Children::of(pair);
        let first = self.expr(children.next());
        let mut entries = vec![first];
        let mut tuple = false;
        while let Some(child) = children.take() {
            match child.as_rule() {
                Rule::comma => tuple = true,
                _ => entries.push(self.expr(child)),
            }
        }
        match (tuple, entries.pop()) {
            (false, Some(only)) => ExprKind::Group(Box::new(only)),
            (_, last) => {
                entries.extend(last);
                ExprKind::Tuple(entries)
            }
        }
    }

    /// `ranged`: an expression, or two with `..` between.
    pub fn ranged(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        let mut children = Children::of(pair);
        let from = self.expr(children.next());
        match children.take() {
            Some(to) => {
                let to = self.expr(to);
                Expr { kind: ExprKind::Range(Box::new(from), Box::new(to)), span }
            }
            None => from,
        }
    }

    /// `∇P.f`, `∂b`, `∂∇g`: the sign takes the field's name, before any call.
    fn field(&mut self, pair: Pair<'_>) -> Expr {
        let span = self.span(&pair);
        let mut children = Children::of(pair);
        let sign = children.next();
        let operand = children.next();
        let operand = Box::new(if operand.as_rule() == Rule::field {
            self.deeper(1, span, |builder| builder.field(operand))
        } else {
            self.field_name(operand)
        });
        let kind = match sign.as_str() {
            "∇" => ExprKind::Gradient(Spelling::Sign, operand),
            "grad" => ExprKind::Gradient(Spelling::Word, operand),
            "∂" => ExprKind::Jacobian(Spelling::Sign, operand),
            "jac" => ExprKind::Jacobian(Spelling::Word, operand),
            "div" => ExprKind::Divergence(operand),
            "laplacian" => ExprKind::Laplacian(Spelling::Word, operand),
            _ => ExprKind::Laplacian(Spelling::Sign, operand),
        };
        Expr { kind, span }
    }

    fn field_name(&mut self, pair: Pair<'_>) -> Expr {
        let mut children = Children::of(pair);
        let first = self.name(&children.next());
        let mut value = Expr { span: first.span, kind: ExprKind::Name(first) };
        while let Some(member) = children.take() {
            let member = self.name(&member);
            let span = value.span.to(member.span);
            value = Expr { kind: ExprKind::Member(Box::new(value), member), span };
        }
        value
    }

    fn tail(&mut self, value: Expr, word: Option<&str>, pair: Pair<'_>) -> Expr {
        let span = value.span.to(self.span(&pair));
        let kind = match pair.as_rule() {
            Rule::call => {
                if let ExprKind::Number { text, .. } = &value.kind {
                    self.sink.push(NumberCalled { number: text.clone(), here: self.span(&pair) });
                }
                let arguments = Children::of(pair).take_all(Rule::argument);
                let arguments: Vec<_> = arguments.into_iter().map(|argument| self.argument(argument)).collect();
                match (word.and_then(word_function), &value.kind) {
                    (Some(function), ExprKind::Name(name)) => {
                        let name = name.clone();
                        return self.word_call(function, &name, arguments, span);
                    }
                    _ => ExprKind::Call(Box::new(value), arguments),
                }
            }
            Rule::index => {
                let entries = Children::of(pair).take_all(Rule::ranged);
                let entries = entries.into_iter().map(|entry| self.ranged(entry)).collect();
                ExprKind::Index(Box::new(value), entries)
            }
            Rule::member => ExprKind::Member(Box::new(value), self.name(&Children::of(pair).next())),
            Rule::transpose => ExprKind::Postfix(PostfixOp::Transpose, Spelling::Sign, Box::new(value)),
            _ => match pair.as_str() {
                "⁻¹" => ExprKind::Postfix(PostfixOp::Inverse, Spelling::Sign, Box::new(value)),
                "⁻ᵀ" => ExprKind::Postfix(PostfixOp::InverseTranspose, Spelling::Sign, Box::new(value)),
                raised => {
                    let exponent = raised_number(raised, self.span(&pair));
                    ExprKind::Binary(BinaryOp::Power, Spelling::Sign, Box::new(value), Box::new(exponent))
                }
            },
        };
        Expr { kind, span }
    }

    fn argument(&mut self, pair: Pair<'_>) -> Argument {
        let mut children = Children::of(pair);
        let name = children.take_if(Rule::name).map(|name| self.name(&name));
        Argument { name, value: self.expr(children.next()) }
    }

    /// `sqrt(x)` and its kin are the same tree as their signs.
    fn word_call(&mut self, function: WordCall, name: &Name, arguments: Vec<Argument>, span: source::Span) -> Expr {
        let expected = if function == WordCall::Dot { 2 } else { 1 };
        if arguments.len() != expected || arguments.iter().any(|argument| argument.name.is_some()) {
            self.sink.push(WordFunction { name: name.text.clone(), expected, found: arguments.len(), here: span });
            return Self::broken(span);
        }
        let mut values = arguments.into_iter().map(|argument| Box::new(argument.value));
        let first = values.next().expect("the count was checked");
        let word = Spelling::Word;
        let kind = match function {
            WordCall::Sqrt => ExprKind::Unary(UnaryOp::SquareRoot, word, first),
            WordCall::Norm => ExprKind::Norm(word, first),
            WordCall::Norm2 => {
                let norm = Expr { kind: ExprKind::Norm(word, first), span };
                let two = Expr { kind: ExprKind::Number { value: 2.0, text: Arc::from("2") }, span };
                ExprKind::Binary(BinaryOp::Power, word, Box::new(norm), Box::new(two))
            }
            WordCall::Transpose => ExprKind::Postfix(PostfixOp::Transpose, word, first),
            WordCall::Inv => match first.kind {
                ExprKind::Postfix(PostfixOp::Transpose, Spelling::Word, inner) => {
                    ExprKind::Postfix(PostfixOp::InverseTranspose, word, inner)
                }
                _ => ExprKind::Postfix(PostfixOp::Inverse, word, first),
            },
            WordCall::InvTranspose => ExprKind::Postfix(PostfixOp::InverseTranspose, word, first),
            WordCall::Dot => {
                let second = values.next().expect("the count was checked");
                ExprKind::Binary(BinaryOp::Dot, word, first, second)
            }
        };
        Expr { kind, span }
    }
}

/// Functions that are the ASCII spelling of a sign.
#[derive(Clone, Copy, PartialEq, Eq)]
enum WordCall {
    Sqrt,
    Norm,
    Norm2,
    Transpose,
    Inv,
    InvTranspose,
    Dot,
}

fn word_function(name: &str) -> Option<WordCall> {
    Some(match name {
        "sqrt" => WordCall::Sqrt,
        "norm" => WordCall::Norm,
        "norm2" => WordCall::Norm2,
        "transpose" => WordCall::Transpose,
        "inv" => WordCall::Inv,
        "inv_transpose" => WordCall::InvTranspose,
        "dot" => WordCall::Dot,
        _ => return None,
    })
}

/// Whether a call of this name is the spelling of a sign, so that nothing else may have the name.
pub(in crate::syntax) fn is_word_function(name: &str) -> bool {
    word_function(name).is_some()
}

/// `⁻²` as the tree of `-2`.
fn raised_number(raised: &str, span: source::Span) -> Expr {
    let digits = raised.trim_start_matches('⁻');
    let digit = |sign: char| match sign {
        '¹' => '1',
        '²' => '2',
        '³' => '3',
        high => char::from_digit((high as u32).saturating_sub('⁰' as u32), 10).unwrap_or('0'),
    };
    let text: String = digits.chars().map(digit).collect();
    let value = text.parse().expect("the grammar gives digits");
    let number = Expr { kind: ExprKind::Number { value, text: text.into() }, span };
    if digits.len() == raised.len() {
        number
    } else {
        Expr { kind: ExprKind::Unary(UnaryOp::Negate, Spelling::Sign, Box::new(number)), span }
    }
}

/// The value of `½` and its kin.
pub(in crate::syntax) fn vulgar_fraction(text: &str) -> Option<f64> {
    let mut letters = text.chars();
    let (over, under) = match (letters.next()?, letters.next()) {
        ('½', None) => (1, 2),
        ('¼', None) => (1, 4),
        ('¾', None) => (3, 4),
        ('⅓', None) => (1, 3),
        ('⅔', None) => (2, 3),
        ('⅕', None) => (1, 5),
        ('⅖', None) => (2, 5),
        ('⅗', None) => (3, 5),
        ('⅘', None) => (4, 5),
        ('⅙', None) => (1, 6),
        ('⅚', None) => (5, 6),
        ('⅛', None) => (1, 8),
        ('⅜', None) => (3, 8),
        ('⅝', None) => (5, 8),
        ('⅞', None) => (7, 8),
        _ => return None,
    };
    Some(f64::from(over) / f64::from(under))
}
