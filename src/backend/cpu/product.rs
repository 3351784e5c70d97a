//! Contractions: which dimensions are rows, columns, sums or batches, and the kernel that suits them.

use multiversion::multiversion;

use super::gemm::{Strides, gemm};
use super::memory::{Memory, Part, Ptr};
use super::strided::{coalesce, walk};

/// A class of dimensions: sizes, and strides of the operands that have it.
#[derive(Clone, Debug, Default)]
pub(super) struct Class {
    pub sizes: Vec<usize>,
    pub strides: Vec<Vec<usize>>,
}

impl Class {
    /// A class whose dimensions `operands` operands have.
    pub fn new(operands: usize) -> Self {
        Self { sizes: Vec::new(), strides: vec![Vec::new(); operands] }
    }

    /// Adds a dimension.
    pub fn push(&mut self, size: usize, strides: &[usize]) {
        self.sizes.push(size);
        for (to, s) in self.strides.iter_mut().zip(strides) {
            to.push(*s);
        }
    }

    fn coalesce(&mut self) {
        coalesce(&mut self.sizes, &mut self.strides);
    }

    fn len(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Takes one dimension out: the one with the smallest last stride, which is where numbers lie side by side.
    fn take_densest(&mut self) -> (usize, Vec<usize>) {
        let last = self.strides.len() - 1;
        let best = (0..self.sizes.len()).min_by_key(|i| self.strides[last][*i]);
        self.take(best)
    }

    fn take_largest(&mut self) -> (usize, Vec<usize>) {
        let best = (0..self.sizes.len()).max_by_key(|i| self.sizes[*i]);
        self.take(best)
    }

    fn take(&mut self, i: Option<usize>) -> (usize, Vec<usize>) {
        match i {
            Some(i) => (self.sizes.remove(i), self.strides.iter_mut().map(|s| s.remove(i)).collect()),
            None => (1, vec![0; self.strides.len()]),
        }
    }
}

/// Where a product goes.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// Memory, overwritten or added to.
    Memory(Ptr, bool),
    /// This block's part of the sum with that number, added to.
    Part(usize),
}

/// How a product is computed.
#[derive(Clone, Debug)]
enum Kernel {
    /// Matrix products in a loop: sizes m, n, k, and whether they are too small for blocking.
    Gemm { m: usize, n: usize, k: usize, a: Strides, b: Strides, c: Strides, tiny: bool },
    /// Lane by lane: the number of lanes, and what `a`, `b` step by.
    Lanes { width: usize, a: usize, b: usize },
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

/// The dimensions of a contraction by class.
#[derive(Clone, Debug)]
pub(super) struct Classes {
    /// In both operands and the result; strides of a, b, c.
    pub batch: Class,
    /// In the first and the result; strides of a, c.
    pub rows: Class,
    /// In the second and the result; strides of b, c.
    pub columns: Class,
    /// In both operands, summed; strides of a, b.
    pub summed: Class,
}

/// Below this many multiplications a matrix product is a plain loop.
const TINY: usize = 600;

impl Product {
    /// Chooses a kernel. `lanes` says that the last batch dimension steps through lanes.
    pub fn new(a: Ptr, b: Ptr, c: Target, mut classes: Classes, lanes: bool) -> Self {
        let mut outer = Class::new(3);
        let kernel = if lanes {
            let last = classes.batch.sizes.len() - 1;
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
            Kernel::Gemm {
                m,
                n,
                k,
                a: Strides { row: sm[0], column: sk[0] },
                b: Strides { row: sk[1], column: sn[0] },
                c: Strides { row: sm[1], column: sn[1] },
                tiny: m * n * k < TINY,
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

    /// Computes it.
    pub fn run(&self, memory: &mut Memory<'_>) {
        match &self.c {
            Target::Memory(p, add) => {
                let at = memory.at(p);
                let mut slot = memory.take(p);
                self.into(&mut slot[at..], *add, memory.read(&self.a), memory.read(&self.b));
                memory.put(p, slot);
            }
            Target::Part(k) => {
                let mut part = std::mem::replace(&mut memory.partials[*k], Part::Single(Vec::new()));
                if let Part::Single(c) = &mut part {
                    self.into(c, true, memory.read(&self.a), memory.read(&self.b));
                }
                memory.partials[*k] = part;
            }
        }
    }

    fn into(&self, c: &mut [f32], add: bool, a: &[f32], b: &[f32]) {
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
            Kernel::Gemm { m, n, k, a: sa, b: sb, c: sc, tiny } => {
                let k = if empty { 0 } else { *k };
                if *tiny || k == 0 {
                    tiny_gemm([*m, *n, k], c, *sc, add, a, *sa, b, *sb);
                } else {
                    gemm(*m, *n, k, c, *sc, add, a, *sa, b, *sb);
                }
            }
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

#[expect(clippy::too_many_arguments, reason = "three matrices and their sizes")]
fn tiny_gemm(
    [m, n, k]: [usize; 3],
    c: &mut [f32],
    cs: Strides,
    add: bool,
    a: &[f32],
    sa: Strides,
    b: &[f32],
    sb: Strides,
) {
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0;
            for l in 0..k {
                sum += a[i * sa.row + l * sa.column] * b[l * sb.row + j * sb.column];
            }
            let to = &mut c[i * cs.row + j * cs.column];
            *to = if add { *to + sum } else { sum };
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn multiply_add(c: &mut [f32], add: bool, a: &[f32], b: &[f32]) {
    let n = c.len();
    let (a, b) = (&a[..n], &b[..n]);
    if add {
        for i in 0..n {
            c[i] = a[i].mul_add(b[i], c[i]);
        }
    } else {
        for i in 0..n {
            c[i] = a[i] * b[i];
        }
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi2", "x86_64+avx2+fma+bmi2"))]
fn scale_add(c: &mut [f32], add: bool, a: &[f32], b: f32) {
    let n = c.len();
    let a = &a[..n];
    if add {
        for i in 0..n {
            c[i] = a[i].mul_add(b, c[i]);
        }
    } else {
        for i in 0..n {
            c[i] = a[i] * b;
        }
    }
}
