//! The tree of a `.soc` text: what was written, with spans, before any name has a meaning.

mod expression;
mod statement;

pub use expression::{Argument, BinaryOp, Expr, ExprKind, Integral, PostfixOp, Spelling, UnaryOp};
pub use statement::{Block, Declaration, Differential, Equation, Statement, StatementKind, Term, TypeExpr, TypeKind};

use std::sync::Arc;

use crate::source::{Name, Span};

/// One file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// The `//!` lines at the head, joined by newlines, without the marks.
    pub doc: String,
    /// The items in order.
    pub items: Vec<Item>,
    /// The files of samples that expressions name, `empirical("points.npy")`.
    pub samples: Vec<Text>,
}

/// A top-level item with its `///` text.
#[derive(Clone, Debug)]
pub struct Item {
    /// The `///` lines before it, joined by newlines.
    pub doc: String,
    /// What it is.
    pub kind: ItemKind,
    /// From the first to the last character of the item.
    pub span: Span,
}

/// The kinds of top-level items.
#[derive(Clone, Debug)]
pub enum ItemKind {
    /// `cite "arXiv:2312.02027"`
    Cite(Cite),
    /// `use std.losses.{first, second}`
    Use(Use),
    /// `let d = 20`, `let u(x, t) = …`
    Let(Let),
    /// `problem tracking(d: Nat) { … }`: a problem is defined.
    Problem(Definition),
    /// `problem P = tracking(d)`: a problem gets a name.
    Bind(Bind),
    /// `loss first(P: Problem, u: P.Control) requires … { … }`
    Loss(Definition),
    /// `method first(P: Problem, u: P.Control, opt: Optimizer) requires … { … }`
    Method(Definition),
    /// `layer linear(n: Nat)(x: R[m]) -> R[n] { … }`
    Layer(Layer),
    /// `net V(x: R[d], t: R) -> R[d] = layers([64])(x, t)`
    Net(Net),
    /// `sweep L in [first, second], seed in 1..5`
    Sweep(Vec<SweepAxis>),
    /// `train { … }`
    Train(Block),
    /// `measure every 100 { … }`
    Measure(Measure),
    /// `plot error against step by L, mean over seed, log y`
    Plot(Plot),
    /// `table error by L, mean over seed`
    Table(Table),
    /// `expect error < 1e-2 at step 5_000`
    Expect(Expect),
    /// `profile quick { steps 500 }`
    Profile(Profile),
}

/// `cite "arXiv:2312.02027"`, with or without facts about the source.
#[derive(Clone, Debug)]
pub struct Cite {
    /// What identifies the source.
    pub key: Text,
    /// `title "…"`, `year 2023`: each a text, a number as it is written.
    pub fields: Vec<(Name, Text)>,
}

/// A string literal.
#[derive(Clone, Debug)]
pub struct Text {
    /// Without the quotes.
    pub value: Arc<str>,
    /// With the quotes.
    pub span: Span,
}

/// `use std.losses.{a, b}`, `use "mine.soc".{a}` or, inside a body, `use P.{b, σ}`.
#[derive(Clone, Debug)]
pub struct Use {
    /// Where the names come from.
    pub from: UsePath,
    /// The imported names; empty when the path's last word is the name itself (`use std.problems.tracking`).
    pub names: Vec<Name>,
    /// The whole clause.
    pub span: Span,
}

/// The path of a [`Use`].
#[derive(Clone, Debug)]
pub enum UsePath {
    /// `std.losses`, `P`
    Dotted(Vec<Name>),
    /// `"mine.soc"`, relative to the file that says so
    File(Text),
}

/// `let name = value`, `let name: type = value`, `let name(params) = value`.
#[derive(Clone, Debug)]
pub struct Let {
    /// The name.
    pub name: Name,
    /// For a function, its parameters.
    pub params: Option<Vec<Param>>,
    /// The declared type, of the value or of a function's result.
    pub ty: Option<TypeExpr>,
    /// The right-hand side.
    pub value: Expr,
    /// The whole clause.
    pub span: Span,
}

/// A parameter of a function, problem, loss, layer or net.
#[derive(Clone, Debug)]
pub struct Param {
    /// The name.
    pub name: Name,
    /// Its type; functions made by `let` may leave it out.
    pub ty: Option<TypeExpr>,
    /// The value it takes when the caller gives none.
    pub default: Option<Expr>,
    /// All of it.
    pub span: Span,
}

impl Param {
    /// Whether it is declared to take a whole path, `X: P.Path`.
    pub fn takes_path(&self) -> bool {
        matches!(&self.ty, Some(TypeExpr { kind: TypeKind::Named(path), .. })
            if path.len() == 2 && path[1].key.as_str() == "Path")
    }
}

/// A problem, a loss or a method: parameters, requirements and a body.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The name.
    pub name: Name,
    /// The parameters.
    pub params: Vec<Param>,
    /// `requires P.a and P.b`, split at the `and`s.
    pub requires: Vec<Expr>,
    /// The statements between the braces.
    pub body: Block,
}

/// `problem P = tracking(d, a = 0.2)`
#[derive(Clone, Debug)]
pub struct Bind {
    /// The name.
    pub name: Name,
    /// What it stands for.
    pub value: Expr,
}

/// `layer linear(n: Nat)(x: R[m]) -> R[n] { … }`. Size names that no parameter binds (`m`) are bound by matching the
/// input's shape, and, in the result, the shape that the place of use expects.
#[derive(Clone, Debug)]
pub struct Layer {
    /// The name.
    pub name: Name,
    /// What is known before the run.
    pub params: Vec<Param>,
    /// What flows through: called with several values, one parameter receives their concatenation.
    pub inputs: Vec<Param>,
    /// The shape of the result.
    pub output: TypeExpr,
    /// `{ let … param … return … }`; a layer written `= expr` has one `return`.
    pub body: Block,
}

/// `net V(x: R[d], t: R) -> R[d] = expr`
#[derive(Clone, Debug)]
pub struct Net {
    /// The name.
    pub name: Name,
    /// The inputs.
    pub inputs: Vec<Param>,
    /// The shape of the result.
    pub output: TypeExpr,
    /// An expression that applies layers to the inputs.
    pub value: Expr,
    /// The file that holds its parameters.
    pub stored: Option<Stored>,
    /// `frozen`, where it stands: the parameters stay what the file says.
    pub frozen: Option<Span>,
}

/// `from "params.safetensors" as "V"`
#[derive(Clone, Debug)]
pub struct Stored {
    /// The file.
    pub file: Text,
    /// What stands before the first point of the names in the file, where that is not the name of the net.
    pub part: Option<Text>,
}

/// `L in [a, b]`
#[derive(Clone, Debug)]
pub struct SweepAxis {
    /// The swept name.
    pub name: Name,
    /// A list or a range.
    pub values: Expr,
}

/// `measure every 100 { … }`; without `every`, once, after training, or in `train` at its last step.
#[derive(Clone, Debug)]
pub struct Measure {
    /// Steps between two measurements.
    pub every: Option<Expr>,
    /// `from 1_000`: the first step after which one is made.
    pub from: Option<Expr>,
    /// The statements.
    pub body: Block,
}

/// `plot error against step by L, mean over seed, log y`
#[derive(Clone, Debug)]
pub struct Plot {
    /// The measured quantities.
    pub quantities: Vec<Name>,
    /// The abscissa: `step` or a swept name.
    pub against: Name,
    /// What follows.
    pub clauses: Vec<Clause>,
}

/// `table distance, energy by π, mean over seed`
#[derive(Clone, Debug)]
pub struct Table {
    /// The measured quantities, last values.
    pub quantities: Vec<Name>,
    /// What follows.
    pub clauses: Vec<Clause>,
}

/// What must be true of measured quantities.
#[derive(Clone, Debug)]
pub struct Expect {
    /// What is claimed.
    pub claim: Claim,
    /// When.
    pub at: Moment,
    /// How swept names are bound.
    pub clauses: Vec<Clause>,
    /// All of it.
    pub span: Span,
}

/// The claim of an [`Expect`].
#[derive(Clone, Debug)]
pub enum Claim {
    /// `error < 1e-2`: an expression that compares.
    Holds(Expr),
    /// `error in 0.75 ± 0.01`: the value, the middle, how far from it.
    Near(Expr, Expr, Expr),
    /// `error in 0.7..0.8`: the value, the least, the greatest.
    Between(Expr, Expr, Expr),
}

/// When a claim is looked at.
#[derive(Clone, Debug)]
pub enum Moment {
    /// `at the end`, or nothing: the values measured last.
    End,
    /// `at step 5_000`
    Step(Expr),
}

/// Named values in place of those of the file.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The name.
    pub name: Name,
    /// In order.
    pub changes: Vec<Change>,
}

/// A part of a [`Profile`].
#[derive(Clone, Debug)]
pub struct Change {
    /// What it says.
    pub kind: ChangeKind,
    /// All of it.
    pub span: Span,
}

/// The kinds of [`Change`].
#[derive(Clone, Debug)]
pub enum ChangeKind {
    /// `steps 500`, `measure.batch 64`
    Set(Vec<Name>, Expr),
    /// `let d = 5`
    Let(Let),
    /// `sweep seed in 1..2`
    Sweep(Vec<SweepAxis>),
    /// `expect error < 1`
    Expect(Expect),
}

/// What a `plot`, a `table` or an `expect` says about swept names and axes.
#[derive(Clone, Debug)]
pub enum Clause {
    /// `by L`: one curve or row per value.
    By(Name),
    /// `mean over seed`
    MeanOver(Name),
    /// `log y`, `log x`
    Log(Name),
}
