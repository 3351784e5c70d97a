//! Bodies: statements, equations and written types.

use super::{Expr, Let, Measure, Use};
use crate::source::{Name, Span};

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
    /// In `train`, `measure every 100 { … }`: of the samples of the training step itself.
    Measure(Measure),
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

impl Equation {
    /// The time under the summands: the first differential that is not one of a noise.
    pub fn time(&self, is_noise: impl Fn(&Name) -> bool) -> Option<&Name> {
        self.terms.iter().map(|term| &term.differential.name).find(|name| !is_noise(name))
    }
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
    /// `Samples` or `Samples[d]`
    Samples(Vec<Expr>),
    /// `[Nat]`
    List(Box<TypeExpr>),
    /// `(R, R) -> R[d]`
    Function(Vec<TypeExpr>, Box<TypeExpr>),
}
