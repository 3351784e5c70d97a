//! Contractions: which dimensions are rows, columns, sums or batches, and the kernel that suits them.

use rayon::prelude::*;

use super::block::{Beside, Matrix, Work, block, multiply};
use super::classes::{Class, Classes, Counts, offsets, ranges};
use super::gemm::{Strides, gemm};
use super::loops::{dot, multiply_add, scale_add, tiny_gemm};
use super::memory::{Memory, Numbers, Part, Ptr};
use super::outer::{self, Outer};
use super::packed::Pack;
use super::strided::walk;
use crate::plan::{LONGEST, Then};

/// Where a product goes.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// Memory, overwritten or added to.
    Memory(Ptr, bool),
    /// This block's part of the sum with that number, added to; the first tile overwrites it if it does so in one step.
    Part(usize, bool),
}

/// How a product is computed.
#[derive(Clone, Debug)]
enum Kernel {
    /// Matrix products in a loop: sizes m, n, k, and how each is computed.
    Gemm { m: usize, n: usize, k: usize, a: Strides, b: Strides, c: Strides, by: By },
    /// A matrix that all tiles share times lanes: where it lies, lanes, rows, columns, the row strides of the factor and the
    /// result, what is done to the product, and the columns that are not zero in each block of rows.
    Shared {
        matrix: Shared,
        lanes: usize,
        rows: usize,
        columns: usize,
        x: usize,
        c: usize,
        then: Vec<Then<Operand>>,
        kept: Vec<[usize; 2]>,
    },
    /// Sums over lanes of products of two rows: rows, columns, lanes and steps, the strides of both factors from row to row
    /// and from step to step, that of the result's rows, and the rows that are wanted in each panel of columns.
    Outer {
        rows: usize,
        columns: usize,
        lanes: usize,
        steps: usize,
        a: [usize; 2],
        b: [usize; 2],
        c: usize,
        kept: Vec<[usize; 2]>,
    },
    /// Sums of products of neighbours: how many.
    Dot { n: usize },
    /// Lane by lane: the number of lanes, and what `a`, `b` step by.
    Lanes { width: usize, a: usize, b: usize },
}

/// How a matrix lies that all tiles share.
#[derive(Clone, Copy, Debug)]
enum Shared {
    /// Packed, with this number.
    Packed(usize),
    /// As it was computed: strides of rows and columns. A tile takes a kernel of times once, for which it is not packed.
    InPlace([usize; 2]),
}

/// An operand beside a product.
#[derive(Clone, Debug)]
pub(super) struct Operand {
    pub at: Ptr,
    /// Whether it varies over lanes, else it has one number per row.
    pub lanes: bool,
    /// From row to row.
    row: usize,
    /// Strides along the loops around the kernel.
    outer: Vec<usize>,
}

impl Operand {
    /// An operand whose strides follow from those of the product's classes.
    pub fn new(at: Ptr, lanes: bool) -> Self {
        Self { at, lanes, row: 0, outer: Vec::new() }
    }
}

/// What computes a product of matrices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// Plain loops: too small for blocks.
    Loops,
    /// Blocks of rows by all lanes.
    Lanes,
    /// The library.
    Library,
}

/// A contraction.
#[derive(Clone, Debug)]
pub(super) struct Product {
    pub a: Ptr,
    pub b: Ptr,
    pub c: Target,
    /// Sizes of the loops around the kernel over entries of the result, with strides of a, b, c.
    outer: Class,
    /// The same over summed entries, with strides of a, b.
    summed: Class,
    kernel: Kernel,
}

/// Below this many multiplications a matrix product is a plain loop.
const TINY: usize = 600;
/// Beyond this many summed entries a product has to be cut for the caches along them, as the library does.
const DEEPEST: usize = 512;
/// Rows or columns of a matrix that one worker takes at least.
const THINNEST: usize = 32;
/// Rows and columns of a sum of products of rows at least; a narrower one would leave most of a vector empty.
const NARROWEST: usize = 8;
/// Multiplications that one worker takes of a product that all share.
const SHARE: usize = 1_000_000;

impl Product {
    /// Chooses a kernel. `lanes` says that the last batch dimension steps through lanes.
    pub fn new(
        a: Ptr,
        b: Ptr,
        c: Target,
        mut classes: Classes,
        lanes: bool,
        counts: Counts<'_>,
        packs: &mut Vec<Pack>,
    ) -> Self {
        if !lanes {
            if let Some(packed) = Self::packed(&a, &b, &c, &classes, &[], counts.a, packs) {
                return packed;
            }
            // The shared matrix may stand on either side.
            if let Some(packed) = Self::packed(&b, &a, &c, &classes.swapped(), &[], counts.b, packs) {
                return packed;
            }
        }
        let mut outer = Class::new(3);
        let last = classes.batch.sizes.len().wrapping_sub(1);
        let lanes = lanes && (0..2).all(|i| classes.batch.strides[i][last] <= 1);
        let kernel = if let Some(n) = classes.take_dot() {
            Kernel::Dot { n }
        } else if lanes {
            let (width, s) = classes.batch.take(Some(last));
            Kernel::Lanes { width, a: s[0], b: s[1] }
        } else {
            classes.rows.coalesce();
            classes.columns.coalesce();
            classes.summed.coalesce();
            let (m, sm) = classes.rows.take_densest();
            let (n, sn) = classes.columns.take_densest();
            let unit = classes.summed.strides.iter().any(|s| s.contains(&1));
            let (k, sk) = if unit { classes.summed.take_densest() } else { classes.summed.take_largest() };
            if sk == [1, 1] && sn[1] == 1 && m.min(n) >= NARROWEST && outer::suits(k) {
                let (steps, step) = classes.summed.take_largest();
                let (a, b) = ([sm[0], step[0]], [sn[0], step[1]]);
                let part = matches!(c, Target::Part(..));
                let alone = classes.rows.len() == 1 && classes.columns.len() == 1 && classes.batch.sizes.is_empty();
                let rows: Vec<_> = (0..m).map(|i| i * sm[1]).collect();
                let columns: Vec<_> = (0..n).collect();
                let kept = ranges(&columns, &rows, outer::PANEL, counts.c.filter(|_| alone && part));
                Kernel::Outer { rows: m, columns: n, lanes: k, steps, a, b, c: sm[1], kept }
            } else {
                Kernel::Gemm {
                    m,
                    n,
                    k,
                    a: Strides { row: sm[0], column: sk[0] },
                    b: Strides { row: sk[1], column: sn[0] },
                    c: Strides { row: sm[1], column: sn[1] },
                    by: if (sm[0] == 1 || sk[0] == 1) && sn == [1, 1] && k <= DEEPEST && block(n).is_some() {
                        By::Lanes
                    } else if m * n * k < TINY {
                        By::Loops
                    } else {
                        By::Library
                    },
                }
            }
        };
        for i in 0..classes.batch.sizes.len() {
            let s = &classes.batch.strides;
            outer.push(classes.batch.sizes[i], &[s[0][i], s[1][i], s[2][i]]);
        }
        for i in 0..classes.rows.sizes.len() {
            let s = &classes.rows.strides;
            outer.push(classes.rows.sizes[i], &[s[0][i], 0, s[1][i]]);
        }
        for i in 0..classes.columns.sizes.len() {
            let s = &classes.columns.strides;
            outer.push(classes.columns.sizes[i], &[0, s[0][i], s[1][i]]);
        }
        outer.coalesce();
        let mut summed = classes.summed;
        summed.coalesce();
        Self { a, b, c, outer, summed, kernel }
    }

    /// A product with what becomes of its entries, if it is one of a matrix that all tiles share. Rows and columns have
    /// strides of the operands.
    pub fn with_tail(
        a: &Ptr,
        b: &Ptr,
        c: &Target,
        classes: &Classes,
        then: &[Then<Operand>],
        counts: Counts<'_>,
        packs: &mut Vec<Pack>,
    ) -> Option<Self> {
        let Target::Memory(to, false) = c else { return None };
        // What is written while others are read lies in a slot of its own.
        let apart = |p: &Ptr| !(p.own && p.slot == to.slot);
        if !apart(a) || !apart(b) || !then.iter().filter_map(Then::operand).all(|o| apart(&o.at)) {
            return None;
        }
        Self::packed(a, b, c, classes, then, counts.a, packs)
            .or_else(|| Self::packed(b, a, c, &classes.swapped(), then, counts.b, packs))
    }

    /// A product of a matrix that all tiles share with lanes, if it is one.
    fn packed(
        a: &Ptr,
        b: &Ptr,
        c: &Target,
        classes: &Classes,
        then: &[Then<Operand>],
        counts: Option<&dyn Fn(usize) -> bool>,
        packs: &mut Vec<Pack>,
    ) -> Option<Self> {
        let operands = then.iter().filter_map(Then::operand).count();
        if a.own || !a.loops.is_empty() || !b.own || !classes.batch.sizes.is_empty() || !matches!(c, Target::Memory(..))
        {
            return None;
        }
        let mut columns = classes.columns.clone();
        let lane = (0..columns.sizes.len()).find(|i| columns.strides[0][*i] == 1 && columns.strides[1][*i] == 1)?;
        let (lanes, _) = columns.take(Some(lane));
        let block = block(lanes)?;
        // Rows of the matrix as the result steps through them, columns as the other factor does.
        let order = classes.rows.order(1);
        let c_row = classes.rows.even(1, &order)?;
        let rows = classes.rows.len();
        let (row_sizes, row_strides) = classes.rows.along(0, &order);
        let even_rows = classes.rows.even(0, &order);
        let mut beside = Vec::new();
        for i in 0..operands {
            beside.push(classes.rows.even(2 + i, &order)?);
        }
        let order = classes.summed.order(1);
        let x_row = classes.summed.even(1, &order)?;
        let summed = classes.summed.len();
        let (column_sizes, column_strides) = classes.summed.along(0, &order);
        let in_place = even_rows.zip(classes.summed.even(0, &order)).filter(|_| counts.is_some());
        if rows == 0 || summed == 0 {
            return None;
        }
        let kept = match counts {
            Some(_) => {
                ranges(&offsets(&row_sizes, &row_strides), &offsets(&column_sizes, &column_strides), block, counts)
            }
            None => Vec::new(),
        };
        let matrix = if let Some((row, column)) = in_place {
            Shared::InPlace([row, column])
        } else {
            let pack = Pack {
                slot: a.slot,
                offset: a.offset,
                rows: (row_sizes, row_strides),
                columns: (column_sizes, column_strides),
                block,
            };
            Shared::Packed(packs.iter().position(|p| *p == pack).unwrap_or_else(|| {
                packs.push(pack);
                packs.len() - 1
            }))
        };
        let mut outer = Class::new(3 + operands);
        for i in 0..columns.sizes.len() {
            let strides: Vec<_> = std::iter::once(0).chain(columns.strides.iter().map(|s| s[i])).collect();
            outer.push(columns.sizes[i], &strides);
        }
        outer.coalesce();
        let mut next = 0;
        let then = then
            .iter()
            .map(|t| {
                t.map(|o| {
                    next += 1;
                    let (row, outer) = (beside[next - 1], outer.strides[2 + next].clone());
                    Operand { at: o.at.clone(), lanes: o.lanes, row, outer }
                })
            })
            .collect();
        outer.strides.truncate(3);
        let kernel = Kernel::Shared { matrix, lanes, rows, columns: summed, x: x_row, c: c_row, then, kept };
        Some(Self { a: a.clone(), b: b.clone(), c: c.clone(), outer, summed: Class::new(2), kernel })
    }

    /// Computes it.
    pub fn run(&self, memory: &mut Memory<'_>) {
        match &self.c {
            Target::Memory(p, add) => {
                let at = memory.at(p);
                let mut slot = memory.take(p);
                self.into(&mut slot[at..], *add, self.left(memory), memory.read(&self.b), memory);
                memory.put(p, slot);
            }
            Target::Part(k, whole) => {
                let mut part = std::mem::replace(&mut memory.partials[*k], Part::Single(Numbers::default()));
                if let Part::Single(c) = &mut part {
                    self.into(c, !(memory.first && *whole), self.left(memory), memory.read(&self.b), memory);
                }
                memory.partials[*k] = part;
            }
        }
    }

    /// Computes it on all workers, each a stretch of the result.
    pub fn run_shared(&self, memory: &mut Memory<'_>) {
        let Target::Memory(p, add) = &self.c else { return };
        let Some((shares, stride)) = self.shares() else {
            self.run(memory);
            return;
        };
        let at = memory.at(p);
        let mut slot = memory.take(p);
        let (a, b) = (memory.read(&self.a), memory.read(&self.b));
        let mut left = &mut slot[at..];
        let mut work = Vec::new();
        for (i, share) in shares.iter().enumerate() {
            let (now, later) =
                std::mem::take(&mut left).split_at_mut(if i + 1 < shares.len() { share.1 * stride } else { 0 });
            // The last share has what is left.
            if i + 1 < shares.len() {
                work.push((share, now));
                left = later;
            } else {
                work.push((share, later));
            }
        }
        work.into_par_iter().for_each(|((share, _, [ia, ib]), c)| share.products(c, *add, &a[*ia..], &b[*ib..]));
        memory.put(p, slot);
    }

    /// Cuts the work along the dimension in which the result has its largest stride: for each share its own product, its
    /// extent, and where its factors begin; and that stride. The cut depends on the sizes alone.
    #[expect(clippy::type_complexity, reason = "read once, right above")]
    fn shares(&self) -> Option<(Vec<(Self, usize, [usize; 2])>, usize)> {
        let (m, n, k, sa, sb, sc) = match &self.kernel {
            Kernel::Gemm { m, n, k, a, b, c, .. } => (*m, *n, *k, a.row, b.column, [c.row, c.column]),
            Kernel::Outer { rows, columns, lanes, steps, a, b, c, kept } if kept.is_empty() => {
                (*rows, *columns, lanes * steps, a[0], b[0], [*c, 1])
            }
            _ => return None,
        };
        let work = self.outer.len() * self.summed.len() * m * n * k;
        let pieces = (work / SHARE).min(64);
        // Extent, strides of a, b and c of the dimensions that may be cut.
        let mut dims = vec![(m, [sa, 0, sc[0]]), (n, [0, sb, sc[1]])];
        dims.extend(self.outer.sizes.iter().enumerate().map(|(i, size)| {
            let s = &self.outer.strides;
            (*size, [s[0][i], s[1][i], s[2][i]])
        }));
        if pieces < 2 {
            return None;
        }
        let best = (0..dims.len()).filter(|i| dims[*i].0 > 1).max_by_key(|i| dims[*i].1[2])?;
        let (extent, [sa, sb, sc]) = dims[best];
        let below: usize = dims.iter().enumerate().filter(|(i, _)| *i != best).map(|(_, (n, s))| (n - 1) * s[2]).sum();
        if below >= sc {
            return None;
        }
        // Slices of a matrix must not be so thin that passing over the other one costs more than the products.
        let least = if best < 2 { THINNEST } else { 1 };
        let step = extent.div_ceil(pieces.min(extent)).max(least);
        let shares = (0..extent)
            .step_by(step)
            .map(|first| {
                let count = step.min(extent - first);
                let mut share = self.clone();
                match (&mut share.kernel, best) {
                    (_, 2..) => share.outer.sizes[best - 2] = count,
                    (Kernel::Gemm { m: extent, .. } | Kernel::Outer { rows: extent, .. }, 0)
                    | (Kernel::Gemm { n: extent, .. } | Kernel::Outer { columns: extent, .. }, _) => *extent = count,
                    _ => {}
                }
                (share, count, [first * sa, first * sb])
            })
            .collect();
        Some((shares, sc))
    }

    /// The first factor, packed if it is.
    fn left<'a>(&self, memory: &'a Memory<'_>) -> &'a [f32] {
        match self.kernel {
            Kernel::Shared { matrix: Shared::Packed(pack), .. } => &memory.packs[pack],
            _ => memory.read(&self.a),
        }
    }

    fn into(&self, c: &mut [f32], add: bool, a: &[f32], b: &[f32], memory: &Memory<'_>) {
        if let Kernel::Shared { .. } = self.kernel {
            self.blocks(c, add, a, b, memory);
        } else {
            self.products(c, add, a, b);
        }
    }

    /// Blocks in a loop, each with its part of what stands beside the product.
    fn blocks(&self, c: &mut [f32], add: bool, a: &[f32], b: &[f32], memory: &Memory<'_>) {
        let Kernel::Shared { matrix, lanes, rows, columns, x, c: c_row, ref then, ref kept } = self.kernel else {
            return;
        };
        let o = &self.outer;
        let offset = |strides: &[usize], mut index: usize| {
            let mut at = 0;
            for (n, s) in o.sizes.iter().zip(strides).rev() {
                at += index % n * s;
                index /= n;
            }
            at
        };
        let w = match matrix {
            Shared::Packed(_) => Matrix::Packed(a),
            Shared::InPlace(strides) => Matrix::InPlace(a, strides),
        };
        for i in 0..o.len() {
            let mut all = [Then::Relu; LONGEST];
            for (to, t) in all.iter_mut().zip(then) {
                *to = t.map(|o| Beside {
                    numbers: &memory.read(&o.at)[offset(&o.outer, i)..],
                    row: o.row,
                    lanes: o.lanes,
                });
            }
            let (x_start, c_start) = (offset(&o.strides[1], i), offset(&o.strides[2], i));
            let then = &all[..then.len()];
            let work = Work { lanes, rows, columns, w, x: &b[x_start..], x_row: x, c_row, add, then, kept };
            multiply(&work, &mut c[c_start..]);
        }
    }

    fn products(&self, c: &mut [f32], add: bool, a: &[f32], b: &[f32]) {
        let (o, s) = (&self.outer, &self.summed);
        let empty = s.len() == 0;
        walk(&o.sizes, [&o.strides[0], &o.strides[1], &o.strides[2]], [0; 3], &mut |[ia, ib, ic]| {
            let mut add = add;
            if empty {
                self.kernel(&mut c[ic..], add, &[], &[], true);
                return;
            }
            walk(&s.sizes, [&s.strides[0], &s.strides[1]], [ia, ib], &mut |[ia, ib]| {
                self.kernel(&mut c[ic..], add, &a[ia..], &b[ib..], false);
                add = true;
            });
        });
    }

    fn kernel(&self, c: &mut [f32], add: bool, a: &[f32], b: &[f32], empty: bool) {
        match &self.kernel {
            Kernel::Gemm { m, n, k, a: sa, b: sb, c: sc, by } => {
                let k = if empty { 0 } else { *k };
                match by {
                    By::Lanes if k > 0 => {
                        let w = Matrix::InPlace(a, [sa.row, sa.column]);
                        let (lanes, rows, x_row, c_row) = (*n, *m, sb.row, sc.row);
                        multiply(
                            &Work { lanes, rows, columns: k, w, x: b, x_row, c_row, add, then: &[], kept: &[] },
                            c,
                        );
                    }
                    By::Library if k > 0 => gemm(*m, *n, k, c, *sc, add, a, *sa, b, *sb),
                    _ => tiny_gemm([*m, *n, k], c, *sc, add, a, *sa, b, *sb),
                }
            }
            Kernel::Dot { n } => {
                let sum = if empty { 0.0 } else { dot(&a[..*n], &b[..*n]) };
                c[0] = if add { c[0] + sum } else { sum };
            }
            &Kernel::Outer { rows, columns, lanes, steps, a: a_strides, b: b_strides, c: c_row, ref kept } => {
                outer::sum(&Outer { rows, columns, lanes, steps, a, a_strides, b, b_strides, c_row, add, kept }, c);
            }
            Kernel::Shared { .. } => unreachable!("blocks have a loop of their own"),
            Kernel::Lanes { width, a: sa, b: sb } => {
                let c = &mut c[..*width];
                if empty {
                    if !add {
                        c.fill(0.0);
                    }
                    return;
                }
                match (sa, sb) {
                    (1, 1) => multiply_add(c, add, &a[..*width], &b[..*width]),
                    (1, 0) => scale_add(c, add, &a[..*width], b[0]),
                    (0, 1) => scale_add(c, add, &b[..*width], a[0]),
                    _ => {
                        for (i, c) in c.iter_mut().enumerate() {
                            let product = a[i * sa] * b[i * sb];
                            *c = if add { *c + product } else { product };
                        }
                    }
                }
            }
        }
    }
}
