//! Expressions.

use std::sync::Arc;

use super::{Differential, Let, Param};
use crate::source::{Name, Span};

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// From its first to its last character.
    pub span: Span,
}

/// How a construct that has two spellings was written, for `fmt` to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// `√x`, `A'`, `∇g`, `∫`, `u·v`
    Sign,
    /// `sqrt(x)`, `transpose(A)`, `grad g`, `int`, `dot(u, v)`
    Word,
}

/// The kinds of expressions.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// `60_000`, `1e-4`, `½`
    Number {
        /// Its value.
        value: f64,
        /// As written.
        text: Arc<str>,
    },
    /// `"points.npy"`
    Text(Arc<str>),
    /// `true`, `false`
    Bool(bool),
    /// `x`
    Name(Name),
    /// `_` in a partial application
    Hole,
    /// `(e)`
    Group(Box<Expr>),
    /// `(a, b)`
    Tuple(Vec<Expr>),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `[e for i in 1..n for j in 1..m]`
    Comprehension(Box<Expr>, Vec<(Name, Expr, Expr)>),
    /// `1..5`
    Range(Box<Expr>, Box<Expr>),
    /// `(x, y) => e`
    Lambda(Vec<Param>, Box<Expr>),
    /// `if c then a else b`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `-e`, `not e`, `√e`
    Unary(UnaryOp, Spelling, Box<Expr>),
    /// `a + b`
    Binary(BinaryOp, Spelling, Box<Expr>, Box<Expr>),
    /// `A'`, `A⁻¹`, `A⁻ᵀ`
    Postfix(PostfixOp, Spelling, Box<Expr>),
    /// `|e|`. `|e|²` is a [`BinaryOp::Power`] of it, and so is `norm2(e)`.
    Norm(Spelling, Box<Expr>),
    /// `f(a, b = 1)`
    Call(Box<Expr>, Vec<Argument>),
    /// `I[d]`, `widths[1]`, `randn[d]`
    Index(Box<Expr>, Vec<Expr>),
    /// `P.σ`
    Member(Box<Expr>, Name),
    /// `P with { let g(x) = … }`
    With(Box<Expr>, Vec<Let>),
    /// `∇g`: the gradient of a scalar field, itself a field
    Gradient(Spelling, Box<Expr>),
    /// `∂b`: the Jacobian of a field in its first argument, rows are outputs
    Jacobian(Spelling, Box<Expr>),
    /// `div v`
    Divergence(Box<Expr>),
    /// `Δ f`
    Laplacian(Spelling, Box<Expr>),
    /// `∂[s] M(t, s)`
    Partial(Spelling, Name, Box<Expr>),
    /// `∫[t..T] e ds`
    Integral(Box<Integral>),
    /// `E[e]`, `E[e | condition]`
    Expectation(Box<Expr>, Option<Box<Expr>>),
    /// `Var[e]`
    Variance(Box<Expr>),
    /// `mean[t] e`, `mean[t ~ choose(4)] e`
    MeanOver(Name, Option<Box<Expr>>, Box<Expr>),
    /// `Σ[i = 1..n] e`
    Sum(Spelling, Name, Option<Box<(Expr, Expr)>>, Box<Expr>),
}

/// `trapezoid ∫[from..to] integrand differential`
#[derive(Clone, Debug)]
pub struct Integral {
    /// `∫` or `int`.
    pub spelling: Spelling,
    /// A quadrature rule by name, before the sign.
    pub rule: Option<Name>,
    /// The bounds; `None` is the whole horizon.
    pub bounds: Option<(Expr, Expr)>,
    /// The integrand.
    pub integrand: Expr,
    /// Whether a dot joins integrand and differential.
    pub dot: bool,
    /// The differential, which names the bound variable or the noise.
    pub differential: Differential,
}

/// `a`, or `name = a`
#[derive(Clone, Debug)]
pub struct Argument {
    /// The parameter, when given by name.
    pub name: Option<Name>,
    /// The value.
    pub value: Expr,
}

/// Operators before their operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`
    Negate,
    /// `not`
    Not,
    /// `√`
    SquareRoot,
}

/// Operators between their operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`: scalars, matrix and vector, matrix and matrix
    Multiply,
    /// `/`: by a scalar
    Divide,
    /// `·`: the inner product of two vectors
    Dot,
    /// `^`, `²`, `³`
    Power,
    /// `=`
    Equal,
    /// `≠`, `!=`
    NotEqual,
    /// `<`
    Less,
    /// `≤`, `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `≥`, `>=`
    GreaterEqual,
    /// `and`
    And,
    /// `or`
    Or,
}

/// Operators after their operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostfixOp {
    /// `A'`
    Transpose,
    /// `A⁻¹`
    Inverse,
    /// `A⁻ᵀ`
    InverseTranspose,
}
