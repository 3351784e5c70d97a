//! What the equations of a problem say about it.

use crate::source::{Name, Span};
use crate::syntax::tree::{Declaration, Expr, TypeExpr};

/// A problem taken apart. Expressions are in the scope of the problem's body: they may use its parameters, its `let`s,
/// the time, the states and the control by name.
#[derive(Clone, Debug)]
pub struct Structure {
    /// The time, its origin and its end.
    pub time: (Name, Expr, Expr),
    /// The states in the order of declaration; the problem's state is their concatenation.
    pub states: Vec<StateEquation>,
    /// The control.
    pub control: Option<Declaration>,
    /// The noise.
    pub noise: Option<Declaration>,
    /// The running cost as signed summands: `E[∫ (a - b) dt]` gives a and −b. May use the control.
    pub running: Vec<(bool, Expr)>,
    /// The terminal cost as signed summands, in terms of `X(T)`.
    pub terminal: Vec<(bool, Expr)>,
    /// Φ as signed summands, for a problem whose paths stop where Φ ≤ 0. May use states and time.
    pub stop: Option<Vec<(bool, Expr)>>,
    /// √λ in diffusion = √λ · ∂drift/∂u, if there is such a number: an expression of parameters alone.
    pub noise_scale: Option<Expr>,
    /// Every predicate with what decided it.
    pub facts: Vec<Fact>,
}

/// One state with its equation.
#[derive(Clone, Debug)]
pub struct StateEquation {
    /// The state.
    pub name: Name,
    /// Its shape.
    pub ty: TypeExpr,
    /// The signed integrands of `dt`: the drift, control included.
    pub drift: Vec<(bool, Expr)>,
    /// The signed integrands of the noise: the diffusion, a matrix or scalar per summand.
    pub diffusion: Vec<(bool, Expr)>,
    /// ∂drift/∂u as signed summands, if the drift is affine in the control; each is the product that stands before `u`,
    /// the number 1 where nothing does. Empty if the control does not enter.
    pub control_map: Option<Vec<(bool, Expr)>>,
    /// The value at the origin, and whether it is drawn.
    pub initial: Option<(bool, Expr)>,
}

/// What a `requires` clause can ask of a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Predicate {
    /// The drift is affine in the control, and the diffusion is free of it.
    ControlAffine,
    /// The running cost is ½|u|² plus a term free of the control, and the drift is affine in it.
    QuadraticControl,
    /// The diffusion is free of state and control.
    AdditiveNoise,
    /// The diffusion is a number times ∂drift/∂u.
    MatchedNoise,
    /// There is one square control map, which the user vouches to be invertible: states and noise have one size.
    InvertibleNoise,
    /// The drift at zero control is zero.
    Driftless,
    /// The drift at zero control is a matrix times the state plus a vector.
    LinearDrift,
    /// Besides ½|u|², all is paid at the end.
    TerminalCost,
    /// The problem states an optimal control.
    HasOptimal,
    /// Paths run to the end of the horizon.
    FixedHorizon,
    /// Paths stop where the problem says so.
    Stops,
}

impl Predicate {
    /// All predicates with the name under which `requires` knows them and what they say.
    pub const ALL: [(Self, &'static str, &'static str); 11] = [
        (Self::ControlAffine, "control_affine", "the drift is affine in the control and the noise is free of it"),
        (
            Self::QuadraticControl,
            "quadratic_control",
            "the running cost is ½*|u|² plus a term free of u, the drift affine in u",
        ),
        (Self::AdditiveNoise, "additive_noise", "the noise does not depend on the state or the control"),
        (Self::MatchedNoise, "matched_noise", "the noise is a number times the control map, √λ*σ beside σ*u"),
        (Self::InvertibleNoise, "invertible_noise", "state, control and noise have one size, so that σ has an inverse"),
        (Self::Driftless, "driftless", "the drift vanishes without control"),
        (Self::LinearDrift, "linear_drift", "the drift without control is affine in the state"),
        (Self::TerminalCost, "terminal_cost", "the running cost is ½*|u|² alone, all else is paid at the end"),
        (Self::HasOptimal, "has_optimal", "the problem states its optimal control"),
        (Self::FixedHorizon, "fixed_horizon", "all paths run to the end of the horizon"),
        (Self::Stops, "stops", "the problem says where its paths stop"),
    ];
}

/// A requirement that a problem does not meet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnmetRequirement {
    /// The name of the predicate.
    pub clause: &'static str,
    /// What the predicate says.
    pub meaning: &'static str,
    /// Why it does not hold, in words about the problem.
    pub why: String,
}

/// A predicate decided.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Which.
    pub predicate: Predicate,
    /// Whether it holds.
    pub holds: bool,
    /// The term that decided it.
    pub span: Span,
    /// Why, in words about that term.
    pub why: String,
}
