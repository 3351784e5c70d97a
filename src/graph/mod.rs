//! The tensor graph: what a program computes, free of any text and of any machine.
//!
//! In: calls of the [`Builder`] by lowering and by the passes. Out: a verified [`Program`]. May not know: where or in
//! which precision it runs.
//!
//! # Meaning
//!
//! A *value* is a function from an index tuple to a real number. Its index tuple has two parts. The **axes** are named
//! (`sample`, a time, a swept or a particle index); they say over what the value varies. The **shape** holds the
//! element dimensions, which are positional: a vector of R³ that differs from path to path has the axis `sample` and
//! the shape `[3]`. Truth values are the numbers 0 and 1.
//!
//! *Axes join, shapes agree.* An element-wise operation takes operands of one shape (a scalar, shape `[]`, goes with
//! any) and of any axes; the result varies over the union of the axes. Every operation acts on each index of the axes
//! alone unless it names an axis (a contraction or a reduction over it, a cumulative sum, a scan, a slice).
//!
//! Values live in one arena and refer only to earlier ones, so a pass is a loop. A value belongs to a **region**: the
//! root, or the body of a scan. It belongs to the innermost region among its operands, so what does not depend on the
//! carry or on the slices of a scan is outside of it without any pass. A body refers to outer values directly.
//!
//! A scan over the axis `τ` of size K runs its body for k = 0, …, K−1 (or K−1, …, 0 in reverse): each carry argument
//! holds the value of the step before (at first `init`), each slice argument the k-th entry of an outer value along τ.
//! Its outputs are the final carries and, for each stacked value of the body, a value with the axis τ added whose k-th
//! entry is what the body computed at index k.
//!
//! Equal operations on equal operands are one value: the builder interns them. `Detach` is the identity whose
//! derivative is zero; the last pass before the plan removes it, and copies that differed by it alone become one.

mod builder;
mod infer;
mod ops;
pub mod text;
mod types;
mod verify;

pub use builder::{Builder, eval_binary, eval_unary};
pub use infer::infer;
pub use ops::{
    Binary, Bits, Carry, Contraction, Draw, Label, Law, Lifetime, Op, Pairing, Reduction, Scan, ScanOutput, Table,
    Unary,
};
pub use types::{Axis, AxisId, AxisKind, Node, Output, ParameterInfo, Program, RegionId, StateInfo, Type, ValueId};
pub use verify::verify;
