//! Groups of element-wise operations: a short list of instructions over chunks of numbers.

use multiversion::multiversion;

use super::memory::{Memory, Ptr};
use crate::backend::math;
use crate::graph::{Binary, Unary};

/// Numbers per register at most.
const CHUNK: usize = 512;

/// What an instruction reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A register.
    Register(usize),
    /// Memory without gaps, by the number of the load.
    Memory(usize),
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
    /// A choice.
    Select,
    /// The same number everywhere.
    Fill(f32),
}

/// An instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instruction {
    pub what: Do,
    pub from: [Source; 3],
    pub to: usize,
}

/// An operand in memory.
#[derive(Clone, Debug)]
pub(super) struct Load {
    pub ptr: Ptr,
    pub strides: Vec<usize>,
    /// Whether the whole index space lies without gaps.
    pub dense: bool,
    /// The register it is loaded to, unless read in place.
    pub to: usize,
}

/// A result.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub ptr: Ptr,
    pub strides: Vec<usize>,
    pub dense: bool,
    pub from: Source,
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

/// Registers of a worker.
#[derive(Debug, Default)]
pub(super) struct Registers(Vec<Vec<f32>>);

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

    /// Runs the group.
    pub fn run(&self, memory: &mut Memory<'_>, registers: &mut Registers) {
        while registers.0.len() < self.registers {
            registers.0.push(vec![0.0; CHUNK]);
        }
        let inner = self.sizes[self.sizes.len() - 1];
        let outer = &self.sizes[..self.sizes.len() - 1];
        let rows: usize = outer.iter().product();
        if inner == 0 || rows == 0 {
            return;
        }
        if inner >= CHUNK || rows == 1 {
            for row in 0..rows {
                for column in (0..inner).step_by(CHUNK) {
                    self.chunk(memory, registers, row, 1, column, CHUNK.min(inner - column));
                }
            }
        } else {
            let together = CHUNK / inner;
            for row in (0..rows).step_by(together) {
                self.chunk(memory, registers, row, together.min(rows - row), 0, inner);
            }
        }
    }

    /// Rows `row..row + rows`, columns `column..column + columns`.
    fn chunk(
        &self,
        memory: &mut Memory<'_>,
        registers: &mut Registers,
        row: usize,
        rows: usize,
        column: usize,
        columns: usize,
    ) {
        let inner = self.sizes[self.sizes.len() - 1];
        let len = rows * columns;
        let linear = row * inner + column;
        for load in self.loads.iter().filter(|l| !l.dense) {
            let to = &mut registers.0[load.to];
            let from = memory.read(&load.ptr);
            let step = load.strides[self.sizes.len() - 1];
            for r in 0..rows {
                let at = self.row_offset(&load.strides, row + r) + column * step;
                let to = &mut to[r * columns..][..columns];
                match step {
                    0 => to.fill(from[at]),
                    1 => to.copy_from_slice(&from[at..at + columns]),
                    _ => to.iter_mut().zip(from[at..].iter().step_by(step)).for_each(|(t, f)| *t = *f),
                }
            }
        }
        for i in &self.code {
            let mut to = std::mem::take(&mut registers.0[i.to]);
            let read = |s: Source| match s {
                Source::Register(r) => &registers.0[r][..len],
                Source::Memory(k) => &memory.read(&self.loads[k].ptr)[linear..linear + len],
            };
            let out = &mut to[..len];
            match i.what {
                Do::Fill(x) => out.fill(x),
                Do::Unary(f) => unary(f, out, read(i.from[0])),
                Do::Binary(f) => binary(f, out, read(i.from[0]), read(i.from[1])),
                Do::Right(f, x) => binary_right(f, out, read(i.from[0]), x),
                Do::Left(f, x) => binary_left(f, out, x, read(i.from[0])),
                Do::Select => select(out, read(i.from[0]), read(i.from[1]), read(i.from[2])),
            }
            registers.0[i.to] = to;
        }
        for store in &self.stores {
            // A store of what was loaded does not occur: copies are steps of their own.
            let Source::Register(r) = store.from else { continue };
            let from = &registers.0[r];
            let to = memory.write(&store.ptr);
            if store.dense {
                to[linear..linear + len].copy_from_slice(&from[..len]);
                continue;
            }
            let step = store.strides[self.sizes.len() - 1];
            for k in 0..rows {
                let at = self.row_offset(&store.strides, row + k) + column * step;
                let from = &from[k * columns..][..columns];
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

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
pub(super) fn select(out: &mut [f32], c: &[f32], a: &[f32], b: &[f32]) {
    let n = out.len();
    for (((o, c), a), b) in out.iter_mut().zip(&c[..n]).zip(&a[..n]).zip(&b[..n]) {
        *o = if *c == 0.0 { *b } else { *a };
    }
}
