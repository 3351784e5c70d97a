//! The closed set of operations.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use ndarray::ArrayD;

use super::types::{AxisId, RegionId, ValueId};

/// How a value is computed. See the page at the head of [`graph`](super) for the meaning of axes, shapes and regions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// A number. Type: scalar.
    Number(Bits),
    /// A table of numbers with the node's axes and shape as its extents.
    Table(Table),
    /// 0, 1, … along the axis. Type: a scalar that varies over the axis.
    Iota(AxisId),
    /// The identity matrix of this size.
    Eye(usize),
    /// The parameter with this number.
    Parameter(usize),
    /// The content of the memory cell with this number.
    State(usize),
    /// The number of the run of this program, from 0. Type: scalar.
    Step,
    /// Random numbers; the node's type says over what they vary. Entries at different indices are independent.
    Draw(Draw),
    /// A carry or slice of a scan body. Type: given.
    Argument(RegionId, usize),

    /// An element-wise function.
    Unary(Unary, ValueId),
    /// An element-wise function of two operands.
    Binary(Binary, ValueId, ValueId),
    /// `Select(c, a, b)`: a where c ≠ 0, else b.
    Select(ValueId, ValueId, ValueId),

    /// A sum of products; see [`Contraction`].
    Contract(Contraction, ValueId, ValueId),
    /// A reduction over axes and element dimensions; see [`Reduction`].
    Reduce(Reduction, Vec<AxisId>, Vec<usize>, ValueId),
    /// `CumulativeSum { axis, reverse, exclusive }`: `y[k] = Σ_{j ≤ k} x[j]`; in reverse `Σ_{j ≥ k}`; exclusive
    /// without j = k.
    CumulativeSum {
        /// The axis along which sums run.
        axis: AxisId,
        /// From the end.
        reverse: bool,
        /// Without the entry itself.
        exclusive: bool,
        /// The summands.
        of: ValueId,
    },

    /// The same value, said to vary over more axes and, for a scalar, to have a larger shape (the node's type).
    Broadcast(ValueId),
    /// Another shape with as many elements, row-major.
    Reshape(ValueId),
    /// Element dimensions in another order: dimension i of the result is dimension `perm[i]` of the operand.
    Transpose(Vec<usize>, ValueId),
    /// Joined along an element dimension; axes join.
    Concat(usize, Vec<ValueId>),
    /// Entries `start..start + length` of an element dimension.
    Slice {
        /// The dimension.
        dim: usize,
        /// The first entry.
        start: usize,
        /// The number of entries.
        length: usize,
        /// The operand.
        of: ValueId,
    },
    /// Zeros before and after along an element dimension. The transpose of `Slice`.
    Pad {
        /// The dimension.
        dim: usize,
        /// Zeros before.
        before: usize,
        /// Zeros after.
        after: usize,
        /// The operand.
        of: ValueId,
    },
    /// Entries of an element dimension by a fixed list: `y[i] = x[index[i]]`.
    Gather {
        /// The dimension.
        dim: usize,
        /// The entries taken, from 0.
        index: Vec<usize>,
        /// The operand.
        of: ValueId,
    },
    /// `y[j] = Σ_{i: index[i] = j} x[i]` for j < size. The transpose of `Gather`.
    ScatterAdd {
        /// The dimension.
        dim: usize,
        /// Where each entry goes.
        index: Vec<usize>,
        /// The extent of the dimension in the result.
        size: usize,
        /// The operand.
        of: ValueId,
    },
    /// The axis `from` is called `to`; both have one size.
    Rename {
        /// The axis of the operand.
        from: AxisId,
        /// The axis of the result.
        to: AxisId,
        /// The operand.
        of: ValueId,
    },
    /// The k-th entry along an axis; the axis is gone.
    At {
        /// The axis.
        axis: AxisId,
        /// The entry, from 0.
        index: usize,
        /// The operand.
        of: ValueId,
    },
    /// The operand at the k-th entry of a new axis, zero elsewhere. The transpose of `At`.
    Place {
        /// The axis.
        axis: AxisId,
        /// The entry, from 0.
        index: usize,
        /// The operand.
        of: ValueId,
    },
    /// Entries of two axes that belong to pairs, along one axis of pairs; see [`Pairing`].
    Pick(Pairing, ValueId),
    /// The operand where two axes belong to a pair, zero elsewhere. The transpose of `Pick` of what varies over both.
    Spread(Pairing, ValueId),
    /// `Shift { by, fill }`: `y[k] = x[k + by]` where that index exists, else `fill`, which lacks the axis.
    Shift {
        /// The axis.
        axis: AxisId,
        /// Entries to move by; positive looks ahead.
        by: isize,
        /// What stands where the operand ends.
        fill: ValueId,
        /// The operand.
        of: ValueId,
    },

    /// A loop over an axis. Has no value of its own: outputs are taken by `Output`.
    Scan(Scan),
    /// An output of a scan.
    Output(ValueId, ScanOutput),
    /// The identity with derivative zero.
    Detach(ValueId),
    /// The identity, as a variable of its own: marks with different numbers are different values, so that a function can
    /// be differentiated in one use of a value and not in the others. Removed together with `Detach`.
    Mark(u32, ValueId),

    /// X with A X = B. `A: [n, n]`, `B: [n]` or `[n, m]`.
    Solve(ValueId, ValueId),
    /// The inverse of `[n, n]`.
    Inverse(ValueId),
    /// The matrix exponential of `[n, n]`.
    Expm(ValueId),
}

/// A number that compares and hashes by its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bits(u64);

impl Bits {
    /// The bits of a number.
    pub fn new(value: f64) -> Self {
        Self(value.to_bits())
    }

    /// The number.
    pub fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// A shared table of numbers; equal when the contents are.
#[derive(Clone, Debug)]
pub struct Table(pub Arc<ArrayD<f64>>);

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.0.shape() == other.0.shape() && self.0.iter().zip(other.0.iter()).all(|(a, b)| a.to_bits() == b.to_bits())
    }
}

impl Eq for Table {}

impl Hash for Table {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.shape().hash(state);
        self.0.iter().for_each(|x| x.to_bits().hash(state));
    }
}

/// Functions of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// −x
    Negate,
    /// |x|
    Absolute,
    /// −1, 0 or 1
    Sign,
    /// 1 where x > 0, else 0
    Heaviside,
    /// e^x
    Exp,
    /// ln x
    Log,
    /// √x
    SquareRoot,
    /// 1/x
    Reciprocal,
    /// sin x
    Sin,
    /// cos x
    Cos,
    /// tanh x
    Tanh,
    /// 1/(1 + e^{−x})
    Sigmoid,
    /// ln(1 + e^x)
    Softplus,
    /// max(x, 0); NaN stays NaN
    Relu,
    /// the error function
    Erf,
    /// x^n
    Power(i32),
    /// the largest integer ≤ x
    Floor,
}

/// Functions of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// a + b
    Add,
    /// a − b
    Subtract,
    /// a·b
    Multiply,
    /// a/b
    Divide,
    /// a^b for a > 0
    Power,
    /// the smaller; NaN if either is
    Minimum,
    /// the larger; NaN if either is
    Maximum,
    /// a < b
    Less,
    /// a ≤ b
    LessEqual,
    /// a = b
    Equal,
}

/// A label of an element dimension inside one [`Contraction`].
pub type Label = u8;

/// `out = Σ a·b`: element dimensions are labelled per operand; a label absent from `out` is summed, a label in both
/// operands is aligned. Axes join by name; those in `axes` are summed. At least one operand has each summed axis.
/// Labels within one operand are distinct.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Contraction {
    /// One label per dimension of the first operand.
    pub a: Vec<Label>,
    /// One label per dimension of the second operand.
    pub b: Vec<Label>,
    /// One label per dimension of the result.
    pub out: Vec<Label>,
    /// The summed axes, sorted.
    pub axes: Vec<AxisId>,
}

/// Pairs of indices of two axes, row by row: with index i of the first stand the neighbours `start..start + length` of
/// the second, for `(start, length) = rows[i]`. Times t ≤ s of a grid are such pairs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pairing {
    /// The two axes.
    pub axes: [AxisId; 2],
    /// The axis of the pairs, numbered row by row.
    pub pairs: AxisId,
    /// One range per index of the first axis.
    pub rows: Arc<[(usize, usize)]>,
}

impl Pairing {
    /// The number of pairs.
    pub fn count(&self) -> usize {
        self.rows.iter().map(|row| row.1).sum()
    }

    /// Every row that is not empty: the first index, the range of the second one, and the number of the first pair.
    pub fn ranges(&self) -> impl Iterator<Item = (usize, usize, usize, usize)> {
        let mut at = 0;
        let rows = self.rows.iter().enumerate().map(move |(i, (start, length))| {
            at += length;
            (i, *start, *length, at - length)
        });
        rows.filter(|row| row.2 > 0)
    }
}

/// Reductions; the remaining dimensions keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Σ x
    Sum,
    /// max x
    Maximum,
    /// ln Σ e^x, without overflow
    LogSumExp,
}

/// A random draw, a function of (run seed, stream, number of the run of the program, indices).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Draw {
    /// The place in the file, as a number; different places draw independently.
    pub stream: u64,
    /// The law of each entry.
    pub law: Law,
    /// How often it is drawn anew.
    pub lifetime: Lifetime,
    /// A seed of its own (`randn[d](seed = 0)`), which stands for the run's.
    pub seed: Option<u64>,
}

/// The law of an independent entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// N(0, 1)
    Normal,
    /// U(0, 1), open at both ends
    Uniform,
}

/// How often a draw changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lifetime {
    /// Once: the step does not enter.
    Run,
    /// At every run of the program.
    Step,
}

/// A loop; see the page at the head of [`graph`](super).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scan {
    /// The body.
    pub region: RegionId,
    /// The axis it runs along.
    pub axis: AxisId,
    /// From the last entry to the first.
    pub reverse: bool,
    /// What goes from step to step. The arguments are numbered first carries, then slices.
    pub carries: Vec<Carry>,
    /// Outer values that vary over the axis, and the arguments that hold their entries.
    pub slices: Vec<(ValueId, ValueId)>,
    /// Values of the body (or outer ones) that are handed out for every step.
    pub stacked: Vec<ValueId>,
}

/// One carry of a [`Scan`]; `init`, `argument` and `next` have one type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Carry {
    /// Before the first step.
    pub init: ValueId,
    /// Inside the body, before the step.
    pub argument: ValueId,
    /// Inside the body, after the step.
    pub next: ValueId,
}

/// Which output of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScanOutput {
    /// The carry with this number after the last step.
    Final(usize),
    /// The stacked value with this number, over the axis.
    Stacked(usize),
}

impl Op {
    /// Whether the type does not follow from the operands.
    pub fn has_free_type(&self) -> bool {
        matches!(self, Self::Table(_) | Self::Draw(_) | Self::Argument(..) | Self::Broadcast(_) | Self::Reshape(_))
    }

    /// Calls `f` on every operand, in order. For a scan: the initial carries, the sliced values, the next carries, the
    /// stacked values.
    pub fn for_each_operand(&self, mut f: impl FnMut(ValueId)) {
        match self {
            Self::Number(_)
            | Self::Table(_)
            | Self::Iota(_)
            | Self::Eye(_)
            | Self::Parameter(_)
            | Self::State(_)
            | Self::Step
            | Self::Draw(_)
            | Self::Argument(..) => {}
            Self::Unary(_, a)
            | Self::Reduce(_, _, _, a)
            | Self::Broadcast(a)
            | Self::Reshape(a)
            | Self::Transpose(_, a)
            | Self::Detach(a)
            | Self::Mark(_, a)
            | Self::Inverse(a)
            | Self::Expm(a)
            | Self::Pick(_, a)
            | Self::Spread(_, a)
            | Self::Output(a, _) => f(*a),
            Self::CumulativeSum { of, .. }
            | Self::Slice { of, .. }
            | Self::Pad { of, .. }
            | Self::Gather { of, .. }
            | Self::ScatterAdd { of, .. }
            | Self::Rename { of, .. }
            | Self::At { of, .. }
            | Self::Place { of, .. } => f(*of),
            Self::Shift { fill, of, .. } => {
                f(*fill);
                f(*of);
            }
            Self::Binary(_, a, b) | Self::Contract(_, a, b) | Self::Solve(a, b) => {
                f(*a);
                f(*b);
            }
            Self::Select(c, a, b) => {
                f(*c);
                f(*a);
                f(*b);
            }
            Self::Concat(_, items) => items.iter().copied().for_each(f),
            Self::Scan(scan) => {
                scan.carries.iter().for_each(|c| f(c.init));
                scan.slices.iter().for_each(|s| f(s.0));
                scan.carries.iter().for_each(|c| f(c.next));
                scan.stacked.iter().copied().for_each(f);
            }
        }
    }

    /// The operands, in the order of [`Op::for_each_operand`].
    pub fn operands(&self) -> Vec<ValueId> {
        let mut all = Vec::new();
        self.for_each_operand(|v| all.push(v));
        all
    }

    /// The same operation on other operands. Arguments of a scan's body are mapped too; its region is kept.
    pub fn map_operands(&self, mut f: impl FnMut(ValueId) -> ValueId) -> Self {
        let mut op = self.clone();
        match &mut op {
            Self::Number(_)
            | Self::Table(_)
            | Self::Iota(_)
            | Self::Eye(_)
            | Self::Parameter(_)
            | Self::State(_)
            | Self::Step
            | Self::Draw(_)
            | Self::Argument(..) => {}
            Self::Unary(_, a)
            | Self::Reduce(_, _, _, a)
            | Self::Broadcast(a)
            | Self::Reshape(a)
            | Self::Transpose(_, a)
            | Self::Detach(a)
            | Self::Mark(_, a)
            | Self::Inverse(a)
            | Self::Expm(a)
            | Self::Pick(_, a)
            | Self::Spread(_, a)
            | Self::Output(a, _) => *a = f(*a),
            Self::CumulativeSum { of, .. }
            | Self::Slice { of, .. }
            | Self::Pad { of, .. }
            | Self::Gather { of, .. }
            | Self::ScatterAdd { of, .. }
            | Self::Rename { of, .. }
            | Self::At { of, .. }
            | Self::Place { of, .. } => {
                *of = f(*of);
            }
            Self::Shift { fill, of, .. } => {
                *fill = f(*fill);
                *of = f(*of);
            }
            Self::Binary(_, a, b) | Self::Contract(_, a, b) | Self::Solve(a, b) => {
                *a = f(*a);
                *b = f(*b);
            }
            Self::Select(c, a, b) => {
                *c = f(*c);
                *a = f(*a);
                *b = f(*b);
            }
            Self::Concat(_, items) => items.iter_mut().for_each(|v| *v = f(*v)),
            Self::Scan(scan) => {
                for c in &mut scan.carries {
                    *c = Carry { init: f(c.init), argument: f(c.argument), next: f(c.next) };
                }
                for s in &mut scan.slices {
                    *s = (f(s.0), f(s.1));
                }
                scan.stacked.iter_mut().for_each(|v| *v = f(*v));
            }
        }
        op
    }
}
