//! Groups of element-wise operations: a short list of instructions over chunks of numbers.

use multiversion::multiversion;
use rayon::prelude::*;

use super::draw::Rooms;
use super::memory::{Memory, Numbers, Ptr, Reader};
use crate::backend::math;
use crate::graph::{Binary, Unary};

/// Numbers per register at most.
const CHUNK: usize = 1024;
/// Numbers that one worker takes of a group that all share.
const SHARE: usize = 16_384;

/// Stores per group at most.
pub(super) const STORES: usize = 32;

/// What an instruction reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A register.
    Register(usize),
    /// Memory without gaps, by the number of the load.
    Memory(usize),
    /// What was stored without gaps, by the number of the store.
    Stored(usize),
    /// One number per row, by the number of the load.
    Rows(usize),
}

/// What an instruction does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Do {
    /// A function of one number.
    Unary(Unary),
    /// A function of two.
    Binary(Binary),
    /// A function of a register and a number.
    Right(Binary, f32),
    /// A function of a number and a register.
    Left(Binary, f32),
    /// A function of two, and another of what came out of it and a third; the second and the third may be numbers, which
    /// have no place among the sources.
    Twice([Quick; 2], [Option<f32>; 2]),
    /// A choice.
    Select,
    /// The same number everywhere.
    Fill(f32),
}

/// A function of `x` and `y` that takes so little time that its operands are what matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quick {
    /// x + y
    Add,
    /// x − y
    Subtract,
    /// y − x
    From,
    /// x·y
    Multiply,
}

/// Where a result goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    /// A register.
    Register(usize),
    /// Memory without gaps, by the number of the store.
    Store(usize),
}

/// An instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instruction {
    pub what: Do,
    pub from: [Source; 3],
    pub to: To,
}

/// How an operand is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// The whole index space lies without gaps and is read in place.
    Dense,
    /// The innermost dimension does not enter, and the number is read for each row.
    Rows,
    /// Copied to a register first.
    Copied(usize),
}

/// An operand in memory.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub ptr: Ptr,
    pub strides: Vec<usize>,
    pub access: Access,
}

/// A result.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub ptr: Ptr,
    pub strides: Vec<usize>,
    /// The register from which it is copied, unless it is computed in place.
    pub from: Option<usize>,
}

/// A group over one index space.
#[derive(Clone, Debug)]
pub(super) struct Fused {
    /// Joined dimensions, outermost first; never empty.
    pub sizes: Vec<usize>,
    pub loads: Vec<Load>,
    pub code: Vec<Instruction>,
    pub stores: Vec<Store>,
    pub registers: usize,
}

/// What a worker has at hand for groups and draws.
#[derive(Debug, Default)]
pub(super) struct Registers {
    all: Vec<Numbers>,
    slots: Vec<Numbers>,
    /// Room of draws.
    pub rooms: Rooms,
}

/// Stores of most groups at most.
const FEW: usize = 4;

/// Slices to which a group stores.
type Outs<'a, const N: usize> = [&'a mut [f32]; N];

impl Fused {
    /// Whether the numbers of the index space lie one behind the other.
    pub fn is_dense(sizes: &[usize], strides: &[usize]) -> bool {
        let mut expected = 1;
        sizes.iter().zip(strides).rev().all(|(n, s)| {
            let fits = *s == expected;
            expected *= n;
            fits
        })
    }

    fn inner(&self) -> usize {
        self.sizes[self.sizes.len() - 1]
    }

    fn rows(&self) -> usize {
        self.sizes[..self.sizes.len() - 1].iter().product()
    }

    /// Runs the group.
    pub fn run(&self, memory: &mut Memory<'_>, registers: &mut Registers) {
        match self.stores.len() {
            ..=FEW => self.run_whole::<FEW>(memory, registers),
            _ => self.run_whole::<STORES>(memory, registers),
        }
    }

    fn run_whole<const N: usize>(&self, memory: &mut Memory<'_>, registers: &mut Registers) {
        let mut slots = std::mem::take(&mut registers.slots);
        slots.extend(self.stores.iter().map(|s| memory.take(&s.ptr)));
        let mut outs: Outs<'_, N> = std::array::from_fn(|_| &mut [][..]);
        for ((out, slot), store) in outs.iter_mut().zip(&mut slots).zip(&self.stores) {
            *out = &mut slot[memory.at(&store.ptr)..];
        }
        self.span(memory.reader(), registers, outs, 0, self.rows());
        for (store, slot) in self.stores.iter().zip(slots.drain(..)) {
            memory.put(&store.ptr, slot);
        }
        registers.slots = slots;
    }

    /// The rows of a share when the group is cut in shares for several workers, if it can be.
    fn share(&self) -> Option<usize> {
        let (rows, inner) = (self.rows(), self.inner());
        let whole = self.stores.iter().all(|s| s.from.is_none());
        (whole && rows > 1 && rows * inner >= 2 * SHARE).then(|| (SHARE / inner).max(1))
    }

    /// Runs the group on all workers; `work` lends out registers.
    pub fn run_shared(
        &self,
        memory: &mut Memory<'_>,
        registers: &mut Registers,
        work: &(impl Fn(&mut dyn FnMut(&mut Registers)) + Sync),
    ) {
        let Some(share) = self.share() else {
            self.run(memory, registers);
            return;
        };
        let inner = self.inner();
        let mut slots: Vec<_> = self.stores.iter().map(|s| memory.take(&s.ptr)).collect();
        let mut left: Vec<&mut [f32]> =
            slots.iter_mut().zip(&self.stores).map(|(slot, s)| &mut slot[memory.at(&s.ptr)..]).collect();
        let mut shares = Vec::new();
        for first in (0..self.rows()).step_by(share) {
            let rows = share.min(self.rows() - first);
            let mut outs: Outs<'_, STORES> = std::array::from_fn(|_| &mut [][..]);
            for (out, left) in outs.iter_mut().zip(&mut left) {
                let (now, later) = std::mem::take(left).split_at_mut(rows * inner);
                *out = now;
                *left = later;
            }
            shares.push((first, rows, outs));
        }
        let reader = memory.reader();
        shares.into_par_iter().for_each(|(first, rows, outs)| {
            let mut outs = Some(outs);
            work(&mut |registers| {
                if let Some(outs) = outs.take() {
                    self.span(reader, registers, outs, first, rows);
                }
            });
        });
        for (store, slot) in self.stores.iter().zip(slots) {
            memory.put(&store.ptr, slot);
        }
    }

    /// Rows `first..first + rows`; stores without gaps begin with the first of them.
    fn span<const N: usize>(
        &self,
        memory: Reader<'_>,
        registers: &mut Registers,
        mut outs: Outs<'_, N>,
        first: usize,
        rows: usize,
    ) {
        while registers.all.len() < self.registers {
            registers.all.push(Numbers::zeros(CHUNK));
        }
        let inner = self.inner();
        if inner == 0 {
            return;
        }
        if inner >= CHUNK || rows == 1 {
            for row in first..first + rows {
                for column in (0..inner).step_by(CHUNK) {
                    let columns = CHUNK.min(inner - column);
                    self.chunk(memory, registers, &mut outs, (row - first) * inner + column, [row, 1, column, columns]);
                }
            }
        } else {
            let together = CHUNK / inner;
            for row in (first..first + rows).step_by(together) {
                let count = together.min(first + rows - row);
                self.chunk(memory, registers, &mut outs, (row - first) * inner, [row, count, 0, inner]);
            }
        }
    }

    /// A number of rows and columns; stores without gaps go to `place`.
    fn chunk<const N: usize>(
        &self,
        memory: Reader<'_>,
        registers: &mut Registers,
        outs: &mut Outs<'_, N>,
        place: usize,
        [row, rows, column, columns]: [usize; 4],
    ) {
        let registers = &mut registers.all;
        let len = rows * columns;
        let linear = row * self.inner() + column;
        for load in &self.loads {
            let Access::Copied(to) = load.access else { continue };
            let from = memory.read(&load.ptr);
            let step = load.strides[self.sizes.len() - 1];
            for r in 0..rows {
                let at = self.row_offset(&load.strides, row + r) + column * step;
                let to = &mut registers[to][r * columns..][..columns];
                match step {
                    0 => to.fill(from[at]),
                    1 => to.copy_from_slice(&from[at..at + columns]),
                    _ => to.iter_mut().zip(from[at..].iter().step_by(step)).for_each(|(t, f)| *t = *f),
                }
            }
        }
        for i in &self.code {
            let (mut register, mut stored): (Numbers, &mut [f32]) = (Numbers::default(), &mut []);
            let out = match i.to {
                To::Register(r) => {
                    register = std::mem::take(&mut registers[r]);
                    &mut register[..len]
                }
                To::Store(k) => {
                    stored = std::mem::take(&mut outs[k]);
                    &mut stored[place..place + len]
                }
            };
            let read = |s: Source| match s {
                Source::Register(r) => &registers[r][..len],
                Source::Stored(k) => &outs[k][place..place + len],
                Source::Memory(k) | Source::Rows(k) => &memory.read(&self.loads[k].ptr)[linear..linear + len],
            };
            let scalar =
                |k: usize, r: usize| memory.read(&self.loads[k].ptr)[self.row_offset(&self.loads[k].strides, row + r)];
            match (i.what, i.from) {
                (Do::Fill(x), _) => out.fill(x),
                (Do::Unary(f), [a, ..]) => unary(f, out, read(a)),
                (Do::Binary(f), [a, Source::Rows(k), _]) => {
                    let a = read(a);
                    for (r, out) in out.chunks_exact_mut(columns).enumerate() {
                        binary_right(f, out, &a[r * columns..][..columns], scalar(k, r));
                    }
                }
                (Do::Binary(f), [Source::Rows(k), b, _]) => {
                    let b = read(b);
                    for (r, out) in out.chunks_exact_mut(columns).enumerate() {
                        binary_left(f, out, scalar(k, r), &b[r * columns..][..columns]);
                    }
                }
                (Do::Binary(f), [a, b, _]) => binary(f, out, read(a), read(b)),
                (Do::Right(f, x), [a, ..]) => binary_right(f, out, read(a), x),
                (Do::Left(f, x), [b, ..]) => binary_left(f, out, x, read(b)),
                (Do::Twice(f, numbers), [a, b, c]) => {
                    let c = if numbers[0].is_some() { b } else { c };
                    let other =
                        |number: Option<f32>, s: Source| number.map_or_else(|| Other::Numbers(read(s)), Other::Number);
                    twice(f, out, read(a), [other(numbers[0], b), other(numbers[1], c)]);
                }
                (Do::Select, [c, a, b]) => select(out, read(c), read(a), read(b)),
            }
            match i.to {
                To::Register(r) => registers[r] = register,
                To::Store(k) => outs[k] = stored,
            }
        }
        for (store, to) in self.stores.iter().zip(outs.iter_mut()) {
            let Some(from) = store.from else { continue };
            let step = store.strides[self.sizes.len() - 1];
            for k in 0..rows {
                let at = self.row_offset(&store.strides, row + k) + column * step;
                let from = &registers[from][k * columns..][..columns];
                if step == 1 {
                    to[at..at + columns].copy_from_slice(from);
                } else {
                    to[at..].iter_mut().step_by(step).zip(from).for_each(|(t, f)| *t = *f);
                }
            }
        }
    }

    fn row_offset(&self, strides: &[usize], mut row: usize) -> usize {
        let outer = self.sizes.len() - 1;
        match outer {
            0 => 0,
            1 => row * strides[0],
            _ => {
                let mut at = 0;
                for i in (0..outer).rev() {
                    at += (row % self.sizes[i]) * strides[i];
                    row /= self.sizes[i];
                }
                at
            }
        }
    }
}

macro_rules! map {
    ($out:ident, $a:ident, $x:ident => $e:expr) => {{
        let a = &$a[..$out.len()];
        for (o, $x) in $out.iter_mut().zip(a) {
            let $x = *$x;
            *o = $e;
        }
    }};
}

macro_rules! zip {
    ($out:ident, $a:ident, $b:ident, $x:ident, $y:ident => $e:expr) => {{
        let (a, b) = (&$a[..$out.len()], &$b[..$out.len()]);
        for ((o, $x), $y) in $out.iter_mut().zip(a).zip(b) {
            let ($x, $y) = (*$x, *$y);
            *o = $e;
        }
    }};
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "part of vectorised loops")]
fn truth(c: bool) -> f32 {
    if c { 1.0 } else { 0.0 }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "part of vectorised loops")]
fn minimum(x: f32, y: f32) -> f32 {
    if x < y || x.is_nan() { x } else { y }
}

#[inline(always)]
#[allow(clippy::inline_always, reason = "part of vectorised loops")]
fn maximum(x: f32, y: f32) -> f32 {
    if x > y || x.is_nan() { x } else { y }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub(super) fn unary(f: Unary, out: &mut [f32], a: &[f32]) {
    match f {
        Unary::Negate => map!(out, a, x => -x),
        Unary::Absolute => map!(out, a, x => x.abs()),
        Unary::Sign => map!(out, a, x => if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else { x * 0.0 }),
        Unary::Heaviside => map!(out, a, x => truth(x > 0.0)),
        Unary::Exp => map!(out, a, x => math::exp(x)),
        Unary::Log => map!(out, a, x => math::log(x)),
        Unary::SquareRoot => map!(out, a, x => x.sqrt()),
        Unary::Reciprocal => map!(out, a, x => 1.0 / x),
        Unary::Sin => map!(out, a, x => math::sin_cos(x).0),
        Unary::Cos => map!(out, a, x => math::sin_cos(x).1),
        Unary::Tanh => map!(out, a, x => math::tanh(x)),
        Unary::Sigmoid => map!(out, a, x => math::sigmoid(x)),
        Unary::Softplus => map!(out, a, x => math::softplus(x)),
        Unary::Relu => map!(out, a, x => if x < 0.0 { 0.0 } else { x }),
        Unary::Erf => map!(out, a, x => math::erf(x)),
        Unary::Power(2) => map!(out, a, x => x * x),
        Unary::Power(3) => map!(out, a, x => x * x * x),
        Unary::Power(n) => map!(out, a, x => math::power(x, n)),
        Unary::Floor => map!(out, a, x => x.floor()),
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub(super) fn binary(f: Binary, out: &mut [f32], a: &[f32], b: &[f32]) {
    match f {
        Binary::Add => zip!(out, a, b, x, y => x + y),
        Binary::Subtract => zip!(out, a, b, x, y => x - y),
        Binary::Multiply => zip!(out, a, b, x, y => x * y),
        Binary::Divide => zip!(out, a, b, x, y => x / y),
        Binary::Power => zip!(out, a, b, x, y => math::exp(y * math::log(x))),
        Binary::Minimum => zip!(out, a, b, x, y => minimum(x, y)),
        Binary::Maximum => zip!(out, a, b, x, y => maximum(x, y)),
        Binary::Less => zip!(out, a, b, x, y => truth(x < y)),
        Binary::LessEqual => zip!(out, a, b, x, y => truth(x <= y)),
        Binary::Equal => zip!(out, a, b, x, y => truth(x == y)),
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub(super) fn binary_right(f: Binary, out: &mut [f32], a: &[f32], y: f32) {
    match f {
        Binary::Add => map!(out, a, x => x + y),
        Binary::Subtract => map!(out, a, x => x - y),
        Binary::Multiply => map!(out, a, x => x * y),
        Binary::Divide => map!(out, a, x => x / y),
        Binary::Power => map!(out, a, x => math::exp(y * math::log(x))),
        Binary::Minimum => map!(out, a, x => minimum(x, y)),
        Binary::Maximum => map!(out, a, x => maximum(x, y)),
        Binary::Less => map!(out, a, x => truth(x < y)),
        Binary::LessEqual => map!(out, a, x => truth(x <= y)),
        Binary::Equal => map!(out, a, x => truth(x == y)),
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub(super) fn binary_left(f: Binary, out: &mut [f32], x: f32, b: &[f32]) {
    match f {
        Binary::Add => map!(out, b, y => x + y),
        Binary::Subtract => map!(out, b, y => x - y),
        Binary::Multiply => map!(out, b, y => x * y),
        Binary::Divide => map!(out, b, y => x / y),
        Binary::Power => map!(out, b, y => math::exp(y * math::log(x))),
        Binary::Minimum => map!(out, b, y => minimum(x, y)),
        Binary::Maximum => map!(out, b, y => maximum(x, y)),
        Binary::Less => map!(out, b, y => truth(x < y)),
        Binary::LessEqual => map!(out, b, y => truth(x <= y)),
        Binary::Equal => map!(out, b, y => truth(x == y)),
    }
}

/// The second operand of a quick function.
#[derive(Clone, Copy)]
enum Other<'a> {
    Numbers(&'a [f32]),
    Number(f32),
}

/// Two quick functions one after the other; what stands between them never leaves the processor.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn twice([f, g]: [Quick; 2], out: &mut [f32], a: &[f32], others: [Other<'_>; 2]) {
    macro_rules! quick {
        ($f:ident, $x:expr, $y:expr) => {
            quick!(@ $f $x, $y)
        };
        (@ Add $x:expr, $y:expr) => { $x + $y };
        (@ Subtract $x:expr, $y:expr) => { $x - $y };
        (@ From $x:expr, $y:expr) => { $y - $x };
        (@ Multiply $x:expr, $y:expr) => { $x * $y };
    }
    macro_rules! with {
        ($f:ident, $g:ident) => {
            match others {
                [Other::Numbers(b), Other::Numbers(c)] => {
                    let (a, b, c) = (&a[..out.len()], &b[..out.len()], &c[..out.len()]);
                    for (((o, x), y), z) in out.iter_mut().zip(a).zip(b).zip(c) {
                        *o = quick!($g, quick!($f, *x, *y), *z);
                    }
                }
                [Other::Numbers(b), Other::Number(z)] => zip!(out, a, b, x, y => quick!($g, quick!($f, x, y), z)),
                [Other::Number(y), Other::Numbers(c)] => zip!(out, a, c, x, z => quick!($g, quick!($f, x, y), z)),
                [Other::Number(y), Other::Number(z)] => map!(out, a, x => quick!($g, quick!($f, x, y), z)),
            }
        };
    }
    macro_rules! first {
        ($f:ident) => {
            match g {
                Quick::Add => with!($f, Add),
                Quick::Subtract => with!($f, Subtract),
                Quick::From => with!($f, From),
                Quick::Multiply => with!($f, Multiply),
            }
        };
    }
    match f {
        Quick::Add => first!(Add),
        Quick::Subtract => first!(Subtract),
        Quick::From => first!(From),
        Quick::Multiply => first!(Multiply),
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub(super) fn select(out: &mut [f32], c: &[f32], a: &[f32], b: &[f32]) {
    let n = out.len();
    for (((o, c), a), b) in out.iter_mut().zip(&c[..n]).zip(&a[..n]).zip(&b[..n]) {
        *o = if *c == 0.0 { *b } else { *a };
    }
}
