//! The tree of a `.soc` text: what was written, with spans, before any name has a meaning.

use std::sync::Arc;

use crate::source::{Name, Span};

/// One file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// The `//!` lines at the head, joined by newlines, without the marks.
    pub doc: String,
    /// The items in order.
    pub items: Vec<Item>,
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

/// `measure every 100 { … }`; without `every`, once, after training.
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

/// Statements between braces.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// In order.
    pub statements: Vec<Statement>,
    /// With the braces.
    pub span: Span,
}

/// A statement of a body.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The `///` lines before it.
    pub doc: String,
    /// What it says.
    pub kind: StatementKind,
    /// All of it.
    pub span: Span,
}

/// The statements of all bodies; which body may hold which is the checker's business.
#[derive(Clone, Debug)]
pub enum StatementKind {
    /// `use P.{b, σ}`
    Use(Use),
    /// `let …`
    Let(Let),
    /// `time t in 0..T`
    Time {
        /// The name of the time.
        name: Name,
        /// The first time.
        from: Expr,
        /// The last time.
        to: Expr,
    },
    /// `state X: R[d]`; `state X: R[d], V: R[d]` gives one statement each.
    State(Declaration),
    /// `control u: R[d]`
    Control(Declaration),
    /// `noise W: R[d]`
    Noise(Declaration),
    /// `dX = (A*X + σ(t)*u) dt + √λ*σ(t) dW`
    Equation(Equation),
    /// `X(0) = 0.5*randn[d](seed = 0)`, `F(T) = q*I[d]`, `X(0) ~ normal(…)`
    Boundary {
        /// The state or process.
        name: Name,
        /// The time at which the value is given.
        at: Expr,
        /// Whether the value is drawn (`~`) or given (`=`).
        drawn: bool,
        /// The value.
        value: Expr,
    },
    /// `cost = E[ … ]`
    Cost(Expr),
    /// `stop when X[1] ≥ 0`
    Stop(Expr),
    /// `process F: R[d, d] by rk4 { … }`
    Process {
        /// The name.
        name: Name,
        /// Its shape.
        ty: TypeExpr,
        /// `by trapezoid`
        scheme: Option<Name>,
        /// The equation and the boundary value.
        body: Block,
    },
    /// `path X of P under u`, `path (X, W) of P under v`
    Path {
        /// The name of the state's path.
        state: Name,
        /// The name of its noise.
        noise: Option<Name>,
        /// The name of the time at which it stops.
        exit: Option<Name>,
        /// The problem.
        problem: Expr,
        /// The control; `None` leaves the problem uncontrolled.
        control: Option<Expr>,
        /// The number of samples from here on.
        batch: Option<Expr>,
    },
    /// `param W: R[n, m] ~ uniform(-k, k)`, `param γ: R = 2`
    Parameter {
        /// The name.
        name: Name,
        /// Its shape.
        ty: TypeExpr,
        /// Whether the first value is drawn (`~`) or given (`=`).
        drawn: bool,
        /// The first value.
        init: Expr,
    },
    /// `t ~ uniform(0, 1)`, `(x, w) ~ B, batch 512, weight w`
    Draw {
        /// The names that receive the draw.
        names: Vec<Name>,
        /// The law, or the buffer.
        law: Expr,
        /// The number of samples from here on.
        batch: Option<Expr>,
        /// The column of a buffer to whose values the chances are proportional.
        weight: Option<Name>,
    },
    /// `repeat n times { … }`
    Repeat {
        /// How often; `None` is an error that the checker words.
        times: Option<Expr>,
        /// What.
        body: Block,
    },
    /// `every n { … }`
    Every {
        /// Rounds of the loop around from one time to the next.
        rounds: Expr,
        /// What.
        body: Block,
    },
    /// `until β = 1`: leaves the loop around.
    Until(Expr),
    /// `run first(P, u, adam(1e-3))`
    Run(Expr),
    /// `buffer B: (x: R[d], a: R[d]) capacity 10_000`
    Buffer {
        /// The name.
        name: Name,
        /// What a row holds.
        columns: Vec<Declaration>,
        /// The most rows it keeps.
        capacity: Expr,
    },
    /// `push (X(T), a(0)) -> B`
    Push {
        /// One value, or a tuple with one per column.
        value: Expr,
        /// The buffer.
        buffer: Name,
    },
    /// `solve β in 0..1: e = v else 1`
    Solve {
        /// The name of the root.
        name: Name,
        /// The lower end of the bracket.
        from: Expr,
        /// The upper end.
        to: Expr,
        /// The equation.
        equation: Expr,
        /// The value where the bracket holds no root.
        otherwise: Option<Expr>,
    },
    /// `β := e`
    Assign {
        /// The state.
        name: Name,
        /// Its first or next value.
        value: Expr,
    },
    /// `batch 128`, `grid 50`, `steps 60_000`
    Setting {
        /// The word.
        name: Name,
        /// Its value.
        value: Expr,
    },
    /// `minimize L(P, u) over V by adam(1e-4), M by adam(1e-3)`
    Minimize {
        /// The objective.
        objective: Expr,
        /// Who moves, and how.
        over: Vec<(Name, Expr)>,
    },
    /// `return e`
    Return(Expr),
}

/// `X: R[d]`
#[derive(Clone, Debug)]
pub struct Declaration {
    /// The name.
    pub name: Name,
    /// Its shape.
    pub ty: TypeExpr,
}

/// `dX = a dt + B dW`
#[derive(Clone, Debug)]
pub struct Equation {
    /// The state or process whose increment stands on the left.
    pub name: Name,
    /// The summands.
    pub terms: Vec<Term>,
}

/// An integrand before its differential, with the sign before it.
#[derive(Clone, Debug)]
pub struct Term {
    /// `-` before the term.
    pub negative: bool,
    /// The integrand.
    pub integrand: Expr,
    /// Whether a dot joins integrand and differential (`v·dW`).
    pub dot: bool,
    /// The differential.
    pub differential: Differential,
    /// Sign, integrand and differential.
    pub span: Span,
}

/// `dt`, `dW`, `dW(s)`
#[derive(Clone, Debug)]
pub struct Differential {
    /// The name after the `d`.
    pub name: Name,
    /// The time in parentheses.
    pub at: Option<Box<Expr>>,
    /// With the `d`.
    pub span: Span,
}

/// A type as written.
#[derive(Clone, Debug)]
pub struct TypeExpr {
    /// What it is.
    pub kind: TypeKind,
    /// All of it.
    pub span: Span,
}

/// The kinds of written types.
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// `R` or `R[d, m]`
    Real(Vec<Expr>),
    /// A type that is a name or a member: `Nat`, `Bool`, `Problem`, `P.Control`, `P.State`
    Named(Vec<Name>),
    /// `Law` or `Law[d]`
    Law(Vec<Expr>),
    /// `[Nat]`
    List(Box<TypeExpr>),
    /// `(R, R) -> R[d]`
    Function(Vec<TypeExpr>, Box<TypeExpr>),
}

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
    /// `E[e]`
    Expectation(Box<Expr>),
    /// `Var[e]`
    Variance(Box<Expr>),
    /// `mean[t] e`
    MeanOver(Name, Box<Expr>),
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
