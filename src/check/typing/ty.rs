//! Types as values: what an expression is, as far as it is known before the run.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::function::Function;
use super::problem::ProblemTy;
use crate::check::size::Size;
use crate::source::{Name, Span};

/// An axis over which a value varies. Axes of equal names that different binders made are different.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AxisId(pub(crate) u32);

/// The axis of paths and draws.
pub(crate) const SAMPLE: AxisId = AxisId(0);

/// The axis of `other(x)`: all samples, beside the one at hand.
pub(crate) const OTHER: AxisId = AxisId(1);

/// The axis of samples that a name in brackets means, as in `Σ[sample]` and `max[other](x)`.
pub(crate) fn axis_of_samples(name: &Name) -> Option<AxisId> {
    match name.key.as_str() {
        "sample" => Some(SAMPLE),
        "other" => Some(OTHER),
        _ => None,
    }
}

/// What binds an axis that is left over where a number is asked for.
pub(crate) fn how_to_bind(axis: AxisId, name: &str) -> String {
    match axis {
        SAMPLE => "average it: `E[ … ]`".to_string(),
        OTHER => "average it over the other samples: `mean[other] …`".to_string(),
        _ => format!("bind the time: `∫ … d{name}` or `mean[{name}] …`"),
    }
}

/// How an axis came into a value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// `sample`, `t`
    pub(crate) name: Arc<str>,
    /// Where it entered.
    pub(crate) span: Span,
    /// Through what: "the path `X`".
    pub(crate) through: Arc<str>,
}

/// The axes of a value with the places where each entered.
pub(crate) type Axes = BTreeMap<AxisId, Entry>;

/// The axes of two values joined; of two entries the first stays.
pub(crate) fn join(a: &Axes, b: &Axes) -> Axes {
    let mut all = b.clone();
    all.extend(a.iter().map(|(axis, entry)| (*axis, entry.clone())));
    all
}

/// A number, vector, matrix or higher array of reals.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tensor {
    /// The sizes; none for a number.
    pub(crate) shape: Vec<Size>,
    /// Whether a vector was transposed: a row, which multiplies from the left.
    pub(crate) row: bool,
    /// What it varies over.
    pub(crate) axes: Axes,
}

impl Tensor {
    pub(crate) fn scalar(axes: Axes) -> Self {
        Self { shape: Vec::new(), row: false, axes }
    }

    pub(crate) fn of(shape: Vec<Size>, axes: Axes) -> Self {
        Self { shape, row: false, axes }
    }

    pub(crate) fn is_scalar(&self) -> bool {
        self.shape.is_empty()
    }

    pub(crate) fn same_shape(&self, other: &Self) -> bool {
        self.shape == other.shape && self.row == other.row
    }
}

impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape.as_slice() {
            [] => f.write_str("R"),
            shape => {
                let sizes: Vec<String> = shape.iter().map(Size::to_string).collect();
                write!(f, "R[{}]{}", sizes.join(", "), if self.row { "'" } else { "" })
            }
        }
    }
}

/// Where a time lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The beginning of the horizon.
    Origin,
    /// Its end.
    End,
    /// The times of an integral, a mean or an equation.
    Bound(AxisId),
    /// The ends of the steps that begin at such times: `next(t)`.
    After(AxisId),
}

impl Moment {
    /// What it varies over.
    pub(crate) fn axis(self) -> Option<AxisId> {
        match self {
            Self::Origin | Self::End => None,
            Self::Bound(axis) | Self::After(axis) => Some(axis),
        }
    }
}

/// A value that is a time.
#[derive(Clone, Debug)]
pub(crate) struct TimeTy {
    pub(crate) moment: Moment,
    pub(crate) name: Arc<str>,
}

impl TimeTy {
    /// The time as a number.
    pub(crate) fn as_tensor(&self, at: Span) -> Tensor {
        let mut axes = Axes::new();
        if let Some(axis) = self.moment.axis() {
            axes.insert(axis, self.entry(at));
        }
        Tensor::scalar(axes)
    }

    fn entry(&self, at: Span) -> Entry {
        Entry { name: self.name.clone(), span: at, through: format!("the time `{}`", self.name).into() }
    }
}

/// Something that has a value at every time of the horizon.
#[derive(Debug)]
pub(crate) struct ProcessTy {
    pub(crate) name: Name,
    /// "path", "state", "control", "process"
    pub(crate) role: &'static str,
    pub(crate) shape: Vec<Size>,
    /// Whether it differs from sample to sample.
    pub(crate) random: bool,
    /// The problem a path belongs to.
    pub(crate) problem: Option<String>,
}

impl ProcessTy {
    /// The value at a time.
    pub(crate) fn at(&self, time: &TimeTy, span: Span) -> Tensor {
        let mut axes = Axes::new();
        let through: Arc<str> = format!("the {} `{}`", self.role, self.name).into();
        if self.random {
            axes.insert(SAMPLE, Entry { name: "sample".into(), span, through: through.clone() });
        }
        if let Some(axis) = time.moment.axis() {
            axes.insert(axis, Entry { name: time.name.clone(), span, through });
        }
        Tensor::of(self.shape.clone(), axes)
    }
}

/// The noise of a path or a problem.
#[derive(Debug)]
pub(crate) struct NoiseTy {
    pub(crate) name: Name,
    pub(crate) shape: Vec<Size>,
}

/// Rows that a schedule keeps.
#[derive(Debug)]
pub(crate) struct BufferTy {
    pub(crate) name: Name,
    pub(crate) columns: Vec<(Name, Column)>,
    /// Whether something was pushed before, in the order of the text.
    pub(crate) filled: Cell<bool>,
}

/// What a column of a buffer holds.
#[derive(Clone, Debug)]
pub(crate) enum Column {
    /// An array of this shape.
    Point(Vec<Size>),
    /// The path of a state of this size, between these times.
    Path(Size, Option<f64>, Option<f64>),
    /// The increments of a noise of this size.
    Brownian(Size),
    /// Found at fault already.
    Poison,
}

/// What an expression is.
#[derive(Clone)]
pub(crate) enum Ty<'a> {
    /// Found at fault already; goes with everything.
    Poison,
    /// A number known now.
    Number(f64),
    /// A size made of names.
    Size(Size),
    /// The index of a sum, at most this.
    Index(Option<Size>),
    Tensor(Tensor),
    Time(TimeTy),
    Bool(Option<bool>, Axes),
    Text,
    List(Rc<Vec<Ty<'a>>>),
    /// The ends, where they are known.
    Range(Option<Size>, Option<Size>),
    Tuple(Rc<Vec<Ty<'a>>>),
    Function(Rc<Function<'a>>),
    Problem(Rc<ProblemTy<'a>>),
    Process(Rc<ProcessTy>),
    Noise(Rc<NoiseTy>),
    Optimizer,
    /// A method with its arguments, by its name.
    Method(Arc<str>),
    Buffer(Rc<BufferTy>),
    /// A law: the shape of what is drawn, what its parameters vary over, and whether it has a density.
    Law(Vec<Size>, Axes, bool),
    /// Times of the grid that are drawn: `choose(4)`.
    Times,
    Hole,
}

impl Ty<'_> {
    /// A whole size as a type: a number where it is known.
    pub(crate) fn from_size(size: Size) -> Self {
        match size.value() {
            Some(value) => Self::Number(value as f64),
            None => Self::Size(size),
        }
    }

    pub(crate) fn real() -> Self {
        Self::Tensor(Tensor::default())
    }

    pub(crate) fn is_poison(&self) -> bool {
        matches!(self, Self::Poison)
    }

    /// What it is, in words with an article.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Poison => "something at fault".into(),
            Self::Number(value) => format!("the number {value}"),
            Self::Size(size) => format!("the size {size}"),
            Self::Index(_) => "an index".into(),
            Self::Tensor(tensor) => match tensor.shape.len() {
                0 => "a number".into(),
                1 if tensor.row => format!("a row {tensor}"),
                1 => format!("a vector {tensor}"),
                2 => format!("a matrix {tensor}"),
                _ => format!("an array {tensor}"),
            },
            Self::Time(time) => format!("the time `{}`", time.name),
            Self::Bool(..) => "a truth value".into(),
            Self::Text => "a text".into(),
            Self::List(items) => format!("a list of {}", items.len()),
            Self::Range(..) => "a range".into(),
            Self::Tuple(items) => format!("a tuple of {}", items.len()),
            Self::Function(function) => function.describe(),
            Self::Problem(problem) => format!("the problem `{}`", problem.name),
            Self::Process(process) => format!("the {} `{}`", process.role, process.name),
            Self::Noise(noise) => format!("the noise `{}`", noise.name),
            Self::Optimizer => "an optimizer".into(),
            Self::Method(name) => format!("the method `{name}` with its arguments"),
            Self::Buffer(buffer) => format!("the buffer `{}`", buffer.name),
            Self::Law(..) => "a law".into(),
            Self::Times => "times that are drawn".into(),
            Self::Hole => "a hole `_`".into(),
        }
    }

    /// Whether two types are the same in every respect that typing a function's body can see.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Poison, Self::Poison)
            | (Self::Text, Self::Text)
            | (Self::Optimizer, Self::Optimizer)
            | (Self::Times, Self::Times)
            | (Self::Hole, Self::Hole) => true,
            (Self::Number(a), Self::Number(b)) => a.to_bits() == b.to_bits(),
            (Self::Size(a), Self::Size(b)) => a == b,
            (Self::Index(a), Self::Index(b)) => a == b,
            (Self::Tensor(a), Self::Tensor(b)) => a.same_shape(b) && a.axes.keys().eq(b.axes.keys()),
            (Self::Time(a), Self::Time(b)) => a.moment == b.moment && a.name == b.name,
            (Self::Bool(a, x), Self::Bool(b, y)) => a == b && x.keys().eq(y.keys()),
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => {
                a.len() == b.len() && a.iter().zip(b.iter()).all(|(x, y)| x.same(y))
            }
            (Self::Range(a, b), Self::Range(c, d)) => a == c && b == d,
            (Self::Function(a), Self::Function(b)) => Rc::ptr_eq(a, b),
            (Self::Problem(a), Self::Problem(b)) => Rc::ptr_eq(a, b),
            (Self::Process(a), Self::Process(b)) => Rc::ptr_eq(a, b),
            (Self::Noise(a), Self::Noise(b)) => Rc::ptr_eq(a, b),
            (Self::Buffer(a), Self::Buffer(b)) => Rc::ptr_eq(a, b),
            (Self::Method(a), Self::Method(b)) => a == b,
            (Self::Law(a, x, p), Self::Law(b, y, q)) => a == b && x.keys().eq(y.keys()) && p == q,
            _ => false,
        }
    }
}
