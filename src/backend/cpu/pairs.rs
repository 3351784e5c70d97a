//! Values over pairs in tiles of pairs: picked from squares, and spread to them.

use std::sync::Arc;

use rayon::prelude::*;

use super::compile::{Compiler, dense};
use super::machine::Block;
use super::memory::{Memory, Part, Ptr};
use crate::graph::{Pairing, ValueId};
use crate::plan::{Dim, Plan, Space, View};

/// Where a square lies.
#[derive(Clone, Debug)]
pub(super) enum Square {
    /// In memory.
    Memory(Ptr),
    /// In the blocks' parts of the sum over samples with this number, to be added up.
    Parts(usize),
}

/// Entries of pairs, taken from a square by each tile.
#[derive(Clone, Debug)]
pub(super) struct Pick {
    pub from: Square,
    /// Where each pair begins in the square.
    pub starts: Arc<[usize]>,
    pub to: Ptr,
    /// The place of every entry of a pair in the square, and of its row in the tile.
    pub entries: Arc<[[usize; 2]]>,
    pub lanes: usize,
}

impl Pick {
    /// Takes the pairs of the tile.
    pub fn run(&self, memory: &mut Memory<'_>) {
        let starts = &self.starts[memory.start..][..self.lanes];
        let at = memory.at(&self.to);
        let mut slot = memory.take(&self.to);
        let to = &mut slot[at..];
        match &self.from {
            Square::Memory(from) => self.take(starts, memory.read(from), to, |to, x| *to = x),
            Square::Parts(k) => {
                for (i, block) in memory.samples.iter().enumerate() {
                    match &block.parts[*k] {
                        Part::Single(part) if i == 0 => self.take(starts, part, to, |to, x| *to = x),
                        Part::Single(part) => self.take(starts, part, to, |to, x| *to += x),
                        Part::Wide(_) => unreachable!("products have single parts"),
                    }
                }
            }
        }
        memory.put(&self.to, slot);
    }

    fn take(&self, starts: &[usize], from: &[f32], to: &mut [f32], put: impl Fn(&mut f32, f32)) {
        for (lane, start) in starts.iter().enumerate() {
            let from = &from[*start..];
            for [source, row] in &*self.entries {
                put(&mut to[row + lane], from[*source]);
            }
        }
    }
}

/// The strides of a pair's entries in a view, entry by entry.
fn places(shape: &[usize], stride: impl Fn(usize) -> usize) -> Vec<usize> {
    let mut all = vec![0];
    for (i, n) in shape.iter().enumerate() {
        all = all.iter().flat_map(|at| (0..*n).map(move |k| (at, k))).map(|(at, k)| at + k * stride(i)).collect();
    }
    all
}

/// Where each pair begins in a square.
fn starts(pairing: &Pairing, strides: [usize; 2]) -> Vec<usize> {
    let [i, j] = strides;
    let range = |(first, second, length, _): (usize, usize, usize, usize)| {
        (second..second + length).map(move |second| i * first + j * second)
    };
    pairing.ranges().flat_map(range).collect()
}

impl Compiler<'_> {
    /// The pairs of a tile.
    pub fn pick(&self, pairing: &Pairing, of: ValueId, v: ValueId) -> Pick {
        let to = &self.view(v);
        let shape = &self.ty(v).shape;
        let (from, stride): (_, Box<dyn Fn(Dim) -> usize>) = if self.plan.unfinished.contains(&of) {
            let dims = self.part_dims(of);
            let sizes: Vec<_> = dims.iter().map(|d| d.1).collect();
            let strides = dense(&sizes);
            let stride = move |dim| dims.iter().position(|d| d.0 == dim).map_or(0, |i| strides[i]);
            (Square::Parts(self.part(of)), Box::new(stride))
        } else {
            let from = self.view(of);
            (Square::Memory(self.ptr(&from)), Box::new(move |dim| self.stride(&from, dim)))
        };
        let source = places(shape, |i| stride(Dim::Shape(i)));
        let rows = places(shape, |i| self.stride(to, Dim::Shape(i)));
        Pick {
            from,
            starts: starts(pairing, pairing.axes.map(|axis| stride(Dim::Axis(axis)))).into(),
            to: self.ptr(to),
            entries: source.into_iter().zip(rows).map(|(source, row)| [source, row]).collect(),
            lanes: self.width,
        }
    }
}

/// Writes the pairs that all tiles hold to a square, which holds zeros elsewhere. The square begins at the view's offset.
pub(super) fn spread(plan: &Plan, pairing: &Pairing, of: ValueId, v: ValueId, blocks: &[Block], to: &mut [f32]) {
    let (from, view, shape) = (plan.view(of), plan.view(v), &plan.program.node(v).ty.shape);
    let buffer = &plan.buffers[from.buffer];
    debug_assert!(buffer.space == Space::Kept && buffer.lane, "what is read in another phase is kept");
    let [size, width, tiles, count] = plan.cut(true);
    let stride = |view: &View, width, dim| view.stride(&plan.buffers, width, dim);
    let target = places(shape, |i| stride(view, 1, Dim::Shape(i)));
    let [i, j] = pairing.axes.map(|axis| stride(view, 1, Dim::Axis(axis)));
    let rows: Vec<_> = pairing.ranges().collect();
    let one_row = |(first, second, length, at): &(usize, usize, usize, usize), to: &mut [f32]| {
        let mut pair = *at;
        while pair < at + length {
            let tile = pair / width;
            let lanes = width.min(size - tile * width);
            // The block that holds the tile: blocks share tiles out as evenly as can be.
            let block = ((tile + 1) * count - 1) / tiles;
            let block = &blocks[block];
            let source = &block.kept[tile - block.first][buffer.slot][from.offset * lanes..];
            let entries = places(shape, |i| stride(from, lanes, Dim::Shape(i)));
            let end = (at + length).min((tile + 1) * width);
            for p in pair..end {
                let to = &mut to[i * first + j * (second + p - at)..];
                let source = &source[p - tile * width..];
                for (entry, place) in entries.iter().zip(&target) {
                    to[*place] = source[*entry];
                }
            }
            pair = end;
        }
    };
    // Rows are apart where the first axis is outermost.
    let inner = target.iter().max().unwrap_or(&0) + j * (plan.program.axis(pairing.axes[1]).size - 1);
    if i > inner {
        to.par_chunks_mut(i).enumerate().for_each(|(first, to)| {
            if let Some((_, second, length, at)) = rows.iter().find(|row| row.0 == first) {
                one_row(&(0, *second, *length, *at), to);
            }
        });
    } else {
        rows.iter().for_each(|row| one_row(row, to));
    }
}

#[cfg(test)]
mod tests {
    use crate::backend::cpu::{Cpu, LAYOUT};
    use crate::backend::reference::Reference;
    use crate::backend::{Executor, Feed};
    use crate::graph::{AxisKind, Binary, Builder, Draw, Law, Lifetime, Op, Output, Pairing, Program, Type, Unary};
    use crate::plan::{Options, When, build};
    use ndarray::ArrayD;

    /// A layer over pairs of `times` times, used by samples as a masked kernel, and the gradient of its matrix through both.
    fn kernel(samples: usize, times: usize) -> Program {
        let mut b = Builder::new();
        let sample = b.axis("sample", samples, AxisKind::Sample);
        let (time, other) = (b.axis("t", times, AxisKind::Time), b.axis("s", times, AxisKind::Time));
        let count = times * (times + 1) / 2;
        let pairs = b.axis("pairs", count, AxisKind::Index);
        let rows: Vec<_> = (0..times).map(|i| (i, times - i)).collect();
        let pairing = Pairing { axes: [time, other], pairs, rows: rows.into() };
        let mut draw = |stream, axes: &[_], shape: &[usize]| {
            let draw = Draw { stream, law: Law::Normal, lifetime: Lifetime::Step, seed: None };
            b.push_typed(Op::Draw(draw), Some(Type::new(axes.iter().copied(), shape)))
        };
        let (x, square) = (draw(1, &[sample, other], &[3]), draw(2, &[time, other], &[5]));
        let (one, matrix) = (draw(3, &[time], &[5]), draw(4, &[], &[9, 5]));
        let (square, one) = (b.push(Op::Pick(pairing.clone(), square)), b.push(Op::Pick(pairing.clone(), one)));
        let input = b.push(Op::Binary(Binary::Add, square, one));
        let layer = b.contract(matrix, &[0, 1], input, &[1], &[0], &[]);
        let layer = b.push(Op::Unary(Unary::Relu, layer));
        let slope = b.push(Op::Unary(Unary::Heaviside, layer));
        let both = b.push(Op::Binary(Binary::Multiply, layer, slope));
        let entries = b.push_typed(Op::Reshape(both), Some(Type::new([pairs], [3, 3])));
        let kernel = b.push(Op::Spread(pairing.clone(), entries));
        let y = b.contract(kernel, &[0, 1], x, &[1], &[0], &[other]);
        let gradient = b.contract(y, &[0], x, &[1], &[0, 1], &[sample]);
        let gradient = b.push(Op::Pick(pairing, gradient));
        let flat = b.push_typed(Op::Reshape(gradient), Some(Type::new([pairs], [9])));
        let back = b.push(Op::Binary(Binary::Multiply, flat, slope));
        let of_matrix = b.contract(back, &[0], input, &[1], &[0, 1], &[pairs]);
        b.program_mut().outputs.push((Output::Gradient(0), of_matrix));
        b.finish()
    }

    fn results(executor: &mut impl Executor) -> Vec<ArrayD<f64>> {
        let feed = Feed { parameters: &[], states: &[], seed: 4, step: 7 };
        executor.execute(&feed).expect("all is finite")
    }

    #[test]
    fn tiles_of_pairs_compute_what_the_whole_axis_does() {
        // Tiles of samples and of pairs that are short at the end, in one block of samples and in several.
        for (samples, times) in [(5, 46), (200, 47)] {
            let program = kernel(samples, times);
            let plan = build(&program, LAYOUT).expect("it is small");
            assert_eq!(plan.segments.iter().filter(|s| s.when == When::Side).count(), 2, "both ways run in tiles");
            assert_eq!(plan.unfinished.len(), 1, "the tiles add up the gradient of the kernel");
            let cpu = |threads, side: bool| {
                let options = Options { side: LAYOUT.side.filter(|_| side), ..LAYOUT };
                let mut cpu = Cpu::with_options(program.clone(), threads, 1 << 30, options).expect("it fits");
                results(&mut cpu)
            };
            let tiles = cpu(1, true);
            assert_eq!(tiles, cpu(2, true), "threads change nothing");
            let exact = results(&mut Reference::new(program.clone()));
            for (got, want) in [(&tiles, &exact), (&cpu(1, false), &exact)] {
                let scale = want[0].iter().fold(0.0_f64, |m, x| m.max(x.abs()));
                let off = (&got[0] - &want[0]).iter().fold(0.0_f64, |m, x| m.max(x.abs()));
                assert!(scale > 1.0 && off < 1e-5 * scale, "{samples} samples, {times} times: {off} of {scale}");
            }
        }
    }
}
