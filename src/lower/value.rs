//! What an expression is worth while it is lowered.

use std::rc::Rc;

use super::environment::Scope;
use super::experiment::{CopyRule, Rule};
use super::law::Distribution;
use super::network::{AppliedLayer, Network};
use super::operator::Operator;
use super::problem::Problem;
use super::rows::BufferRef;
use super::sampled::Among;
use super::stopping::Clock;
use super::time::{Grid, Moment};
use crate::graph::ValueId;
use crate::source::Symbol;
use crate::syntax::tree::{Definition, Expr, Layer, Param, TypeExpr};

/// A value of the language at concrete sizes. Sizes, lists and choices are known; tensors are graph values.
#[derive(Clone)]
pub enum Value<'a> {
    /// A number known now: a literal, a size, arithmetic of these.
    Number(f64),
    /// A truth value known now.
    Bool(bool),
    /// `[a, b]`
    List(Rc<Vec<Value<'a>>>),
    /// `a..b`
    Range(i64, i64),
    /// `(a, b)`
    Tuple(Rc<Vec<Value<'a>>>),
    /// A scalar, vector or higher array in the graph; also a matrix that is just an array.
    Tensor(ValueId),
    /// A matrix that is applied before it is built.
    Operator(Rc<Operator<'a>>),
    /// A transposed vector.
    Row(ValueId),
    /// A state inside its own equation: stands for itself at whatever time it is asked for.
    State(ValueId),
    /// A time.
    Time(Moment),
    /// A path or process whose values are known on a grid.
    Process(Rc<Process<'a>>),
    /// The noise of a path.
    Noise(Rc<Noise>),
    /// A function.
    Function(Rc<Function<'a>>),
    /// A problem.
    Problem(Rc<Problem<'a>>),
    /// `_`
    Hole,
    /// An optimiser.
    Optimizer(Rc<Optimizer<'a>>),
    /// A method with its parameters bound.
    Method(Rc<BoundMethod<'a>>),
    /// A buffer of a schedule.
    Buffer(Rc<BufferRef>),
    /// A law to draw from.
    Law(Rc<Distribution<'a>>),
    /// Times of the grid that are drawn.
    Times(Choice),
}

/// `choose(n, from, to)`: n times of the grid, one from each of n equal parts.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// n
    pub count: usize,
    /// The times between which they lie; the ends of the grid where none are given.
    pub ends: Option<(f64, f64)>,
}

/// Values of a process on a grid.
pub struct Process<'a> {
    /// Its name.
    pub name: Symbol,
    /// Its grid.
    pub grid: Rc<Grid>,
    /// At the left ends of the steps: varies over the grid's first axis.
    pub left: ValueId,
    /// At the right ends.
    pub right: ValueId,
    /// At the origin.
    pub start: ValueId,
    /// At the end.
    pub end: ValueId,
    /// For a path of a problem: its making.
    pub origin: Option<Origin<'a>>,
}

/// Where a path comes from.
pub struct Origin<'a> {
    /// The control it runs under.
    pub control: Option<Value<'a>>,
    /// Its noise.
    pub noise: Option<Rc<Noise>>,
    /// Where it stops, for a problem that says so.
    pub clock: Option<Rc<Clock>>,
}

/// The increments of a Brownian motion on a grid.
pub struct Noise {
    /// The grid.
    pub grid: Rc<Grid>,
    /// W(t_{k+1}) − W(t_k): varies over the grid's first axis and over samples.
    pub increments: ValueId,
    /// Whether the increments end where a path stops.
    pub stops: bool,
}

/// `adam(1e-4, clip = 1)`
pub struct Optimizer<'a> {
    /// The rule.
    pub rule: Rule,
    /// A number, or a function of the step.
    pub rate: Value<'a>,
    /// The largest gradient norm.
    pub clip: Option<f64>,
}

/// A method at its arguments.
pub struct BoundMethod<'a> {
    /// The text.
    pub definition: &'a Definition,
    /// Its parameters.
    pub scope: Rc<Scope<'a>>,
}

/// What can be called.
pub enum Function<'a> {
    /// A function of the text with the scope it was written in.
    Closure {
        /// The parameters.
        params: &'a [Param],
        /// The declared type of the result.
        result: Option<&'a TypeExpr>,
        /// The body.
        body: &'a Expr,
        /// The scope of its definition.
        scope: Rc<Scope<'a>>,
    },
    /// A derived member of a problem: `drift`, `b`, `σ`, …
    Member(Rc<Problem<'a>>, Symbol),
    /// A function of the language itself.
    Builtin(&'static str),
    /// `I[d]`, `randn[d]`: a built-in with its sizes.
    Sized(&'static str, Vec<usize>),
    /// A net.
    Network(Rc<Network<'a>>),
    /// A layer before its parameters.
    Layer(&'a Layer, usize),
    /// A layer before its inputs.
    Applied(Rc<AppliedLayer<'a>>),
    /// A problem definition before its parameters: (definition, module, item).
    ProblemDefinition(&'a Definition, usize, usize),
    /// A loss before its arguments: (definition, module).
    Loss(&'a Definition, usize),
    /// A method before its arguments: (definition, module).
    Method(&'a Definition, usize),
    /// `softmax[sample]`
    OverSamples(&'static str, Among),
    /// A call with holes.
    Partial(Rc<Function<'a>>, Vec<(Option<Symbol>, Value<'a>)>),
    /// A function whose nets keep their parameters fixed.
    Detached(Rc<Function<'a>>),
    /// A function whose nets stand at a copy of their parameters.
    Copied(Rc<Function<'a>>, CopyRule),
    /// A function of a number, which is applied to the entries of an array.
    Entrywise(Rc<Function<'a>>),
    /// `∇f`
    Gradient(Rc<Function<'a>>),
    /// `∂f`
    Jacobian(Rc<Function<'a>>),
    /// `div f`
    Divergence(Rc<Function<'a>>),
    /// `Δ f`
    Laplacian(Rc<Function<'a>>),
    /// The function that is one value everywhere.
    Constant(Value<'a>),
}

impl Value<'_> {
    /// What kind of thing it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Bool(_) => "a truth value",
            Self::List(_) => "a list",
            Self::Range(..) => "a range",
            Self::Tuple(_) => "a tuple",
            Self::Tensor(_) | Self::State(_) => "a tensor",
            Self::Operator(_) => "a matrix",
            Self::Row(_) => "a row",
            Self::Time(_) => "a time",
            Self::Process(_) => "a process",
            Self::Noise(_) => "a noise",
            Self::Function(_) => "a function",
            Self::Problem(_) => "a problem",
            Self::Hole => "a hole",
            Self::Optimizer(_) => "an optimizer",
            Self::Method(_) => "a method",
            Self::Buffer(_) => "a buffer",
            Self::Law(_) => "a law",
            Self::Times(_) => "times that are drawn",
        }
    }
}
