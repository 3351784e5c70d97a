//! Linear algebra on large dense matrices: every step of an elimination, or term of a series, is a dispatch over the entries of all
//! matrices.

use super::code::{Looped, Step};
use super::compile::Compiler;
use super::errors::Error;
use super::fold::{TREE, tree};
use super::functions::Function;
use super::kernel::{Base, Kernel, offset, split};
use super::memory::Spot;
use crate::graph::{Op, ValueId};
use crate::plan::Dim;

/// Rows from which on a matrix is large: an invocation would be alone with it for too long.
pub(super) const LARGE: usize = 25;

/// The depth at which these loops count: below all loops of programs.
const DEPTH: usize = 16;

/// Terms of the series of an exponential.
const TERMS: usize = 12;

/// Squarings at most: those of the largest number.
pub(super) const SQUARINGS: usize = 129;

/// What the kernels of one value have in common.
struct Matrices {
    v: ValueId,
    /// Rows and columns.
    n: usize,
    /// Columns of the right side.
    m: usize,
    /// The axes around, in the order of the result, their sizes, and the number of matrices.
    dims: Vec<(Dim, usize)>,
    sizes: Vec<usize>,
    count: usize,
    /// Where they are worked on: entry by entry, so that those of neighbouring matrices lie side by side.
    own: Spot,
}

impl Matrices {
    /// The entry of a matrix that begins at `first` and has rows of `width`.
    fn at(&self, own: &Base, [first, width]: [usize; 2], row: &str, column: &str) -> String {
        own.at(&format!(" + ({first}u + ({row}) * {width}u + {column}) * {}u + one", self.count))
    }
}

impl Compiler<'_> {
    /// A solution, an inverse or an exponential for every index of the axes.
    pub fn large(&mut self, a: ValueId, b: Option<ValueId>, v: ValueId, steps: &mut Vec<Step>) -> Result<(), Error> {
        let to = self.plan.view(v);
        let ty = self.ty(v).clone();
        let n = self.ty(a).shape[0];
        let m = ty.shape.get(1).copied().unwrap_or(1);
        let mut dims = self.dims(&ty);
        dims.truncate(ty.axes.len());
        dims.sort_by_key(|(d, _)| std::cmp::Reverse(self.stride(to, *d)));
        let sizes: Vec<usize> = dims.iter().map(|d| d.1).collect();
        let count = sizes.iter().product();
        // Four squares at most, and two numbers.
        let own = self.memory.spare(count * (4 * n * n.max(m) + 2), self.span(v))?;
        let all = Matrices { v, n, m, dims, sizes, count, own };
        match self.plan.program.node(v).op {
            Op::Expm(_) => self.series(&all, a, steps),
            _ => self.elimination(&all, a, b, steps),
        }
    }

    /// A kernel with an invocation for every entry of a matrix of so many columns, `row` and `column`, of each matrix, `one`.
    fn each_entry(&self, all: &Matrices, columns: usize, cost: usize) -> Kernel {
        let mut kernel = Kernel::each(all.n * columns * all.count, cost);
        kernel.kind = "products";
        kernel.of(self.plan.origin[all.v.index()]);
        let names = split(&mut kernel, "i", "n", &[all.n, columns, all.count]);
        for (name, is) in ["row", "column", "one"].iter().zip(names) {
            kernel.line(format!("let {name} = {is};"));
        }
        kernel
    }

    /// A kernel with a workgroup for each matrix, `one`.
    fn each_matrix(&self, all: &Matrices) -> Kernel {
        let mut kernel = Kernel::new(TREE);
        kernel.kind = "products";
        kernel.groups = all.count;
        kernel.of(self.plan.origin[all.v.index()]);
        kernel.line("let one = group.x + p.o[0].x;");
        kernel
    }

    /// The entry of a value at `row` and `column` of the matrix `one`.
    fn entry_of(&self, kernel: &mut Kernel, all: &Matrices, x: ValueId) -> String {
        let view = self.plan.view(x);
        let stride = |i: usize| if i < view.shape.len() { self.stride(view, Dim::Shape(i)) } else { 0 };
        let index = split(kernel, "one", "o", &all.sizes);
        let base = kernel.base(&self.pointer(view));
        let around = offset(&index, &self.strides(view, &all.dims));
        base.at(&format!("{around} + row * {}u + column * {}u", stride(0), stride(1)))
    }

    /// Gauss–Jordan elimination with row pivots; a singular matrix gives what is not finite.
    fn elimination(
        &mut self,
        all: &Matrices,
        a: ValueId,
        b: Option<ValueId>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Error> {
        let (n, m, span) = (all.n, all.m, self.span(all.v));
        let (left, right) = ([0, n], [n * n, m]);
        // Both sides, one behind the other.
        for (columns, to, of) in [(n, left, Some(a)), (m, right, b)] {
            let mut kernel = self.each_entry(all, columns, 2);
            let own = kernel.base(&all.own.pointer());
            let from = match of {
                Some(x) => self.entry_of(&mut kernel, all, x),
                None => "select(0.0f, 1.0f, row == column)".to_owned(),
            };
            kernel.line(format!("{} = {from};", all.at(&own, to, "row", "column")));
            self.add(kernel, span, steps)?;
        }
        let mut body = Vec::new();
        let mut kernel = self.each_matrix(all);
        kernel.cost = 4 * (n + m);
        kernel.share("parts", "f32", TREE, 4);
        kernel.share("rows", "u32", TREE, 4);
        let own = kernel.base(&all.own.pointer());
        let k = kernel.counter(DEPTH);
        kernel.line(format!("let k = {k};"));
        kernel.line("var top = -1.0f; var pivot = k;");
        kernel.repeat(n.div_ceil(TREE), format!("for (var r = k + thread; r < {n}u; r += {TREE}u) {{"));
        kernel.line(format!("let x = abs({});", all.at(&own, left, "r", "k")));
        kernel.line("if (x > top) { top = x; pivot = r; }");
        kernel.line("}");
        kernel.line("parts[thread] = top; rows[thread] = pivot;");
        kernel.line("workgroupBarrier();");
        let half = TREE / 2;
        kernel.repeat(TREE.ilog2() as usize, format!("for (var half = {half}u; half > 0u; half = half >> 1u) {{"));
        // Of equals the first row: what a search from above finds.
        kernel.line("if (thread < half) {");
        kernel.line("let x = parts[thread + half]; let r = rows[thread + half];");
        kernel.line("if (x > parts[thread] || (x == parts[thread] && r < rows[thread])) {");
        kernel.line("parts[thread] = x; rows[thread] = r;");
        kernel.line("}");
        kernel.line("}");
        kernel.line("workgroupBarrier();");
        kernel.line("}");
        kernel.line("let best = rows[0];");
        for (columns, side) in [(n, left), (m, right)] {
            let each = format!("for (var c = thread; c < {columns}u; c += {TREE}u) {{");
            kernel.repeat(columns.div_ceil(TREE), each);
            kernel.line(format!("let x = {};", all.at(&own, side, "k", "c")));
            kernel.line(format!("{} = {};", all.at(&own, side, "k", "c"), all.at(&own, side, "best", "c")));
            kernel.line(format!("{} = x;", all.at(&own, side, "best", "c")));
            kernel.line("}");
        }
        self.add(kernel, span, &mut body)?;
        for (columns, side) in [(n, left), (m, right)] {
            let mut kernel = self.each_entry(all, columns, 3);
            let own = kernel.base(&all.own.pointer());
            let k = kernel.counter(DEPTH);
            kernel.line(format!("let k = {k};"));
            // The column of the pivots is read by all, and not needed again.
            kernel.line(if side == left {
                "if (row == k || column <= k) { return; }"
            } else {
                "if (row == k) { return; }"
            });
            kernel.line(format!("let f = {} / {};", all.at(&own, left, "row", "k"), all.at(&own, left, "k", "k")));
            let entry = all.at(&own, side, "row", "column");
            kernel.line(format!("{entry} = {entry} - f * {};", all.at(&own, side, "k", "column")));
            self.add(kernel, span, &mut body)?;
        }
        steps.push(Step::Loop(Looped { depth: DEPTH, size: n, reverse: false, before: Vec::new(), body }));
        let mut kernel = self.each_entry(all, m, 1);
        let own = kernel.base(&all.own.pointer());
        let to = self.entry_of(&mut kernel, all, all.v);
        let (x, pivot) = (all.at(&own, right, "row", "column"), all.at(&own, left, "row", "row"));
        kernel.line(format!("{to} = {x} / {pivot};"));
        self.add(kernel, span, steps)
    }

    /// Scaling and squaring of a Taylor polynomial of degree 12 at norm ≤ 1/2.
    fn series(&mut self, all: &Matrices, a: ValueId, steps: &mut Vec<Step>) -> Result<(), Error> {
        let (n, span) = (all.n, self.span(all.v));
        let [scaled, term, sum, next] = [0, 1, 2, 3].map(|i| [i * n * n, n]);
        let number = |own: &Base, i: usize| own.at(&format!(" + ({}u) * {}u + one", 4 * n * n + i, all.count));
        let mut kernel = self.each_matrix(all);
        kernel.cost = n * n;
        kernel.share("parts", "f32", TREE, 4);
        let own = kernel.base(&all.own.pointer());
        let (finite, maximum) = (kernel.call(Function::IsFinite), kernel.call(Function::Maximum));
        kernel.line("var norm = 0.0f;");
        kernel.repeat(n.div_ceil(TREE), format!("for (var row = thread; row < {n}u; row += {TREE}u) {{"));
        kernel.line("var total = 0.0f;");
        let entry = self.entry_of(&mut kernel, all, a);
        kernel.repeat(n, format!("for (var column = 0u; column < {n}u; column++) {{"));
        kernel.line(format!("total = total + abs({entry});"));
        kernel.line("}");
        kernel.line(format!("norm = {maximum}(norm, total);"));
        kernel.line("}");
        tree(&mut kernel, "norm", |a, b| format!("{maximum}({a}, {b})"));
        kernel.line("if (thread == 0u) {");
        kernel.line("var squarings = 0.0f; var scale = 1.0f;");
        kernel.line(format!("if ({finite}(parts[0])) {{"));
        kernel.takes(SQUARINGS);
        kernel.line("for (var size = parts[0]; size > 0.5f; size = size * 0.5f) { squarings = squarings + 1.0f; scale = scale * 0.5f; }");
        kernel.line("}");
        kernel.line(format!("{} = squarings;", number(&own, 0)));
        kernel.line(format!("{} = scale;", number(&own, 1)));
        kernel.line("}");
        self.add(kernel, span, steps)?;

        let mut kernel = self.each_entry(all, n, 3);
        let own = kernel.base(&all.own.pointer());
        let entry = self.entry_of(&mut kernel, all, a);
        let here = |own: &Base, which: [usize; 2]| all.at(own, which, "row", "column");
        kernel.line(format!("{} = {entry} * {};", here(&own, scaled), number(&own, 1)));
        for which in [term, sum] {
            kernel.line(format!("{} = select(0.0f, 1.0f, row == column);", here(&own, which)));
        }
        self.add(kernel, span, steps)?;

        let product = |c: &Self, [x, y]: [[usize; 2]; 2]| {
            let mut kernel = c.each_entry(all, n, 2 * n);
            let own = kernel.base(&all.own.pointer());
            let place = kernel.counter(DEPTH);
            kernel.line(format!("let place = {place};"));
            let entry = |which, row: &str, column: &str| all.at(&own, which, row, column);
            let factors = [entry(x, "row", "k"), entry(y, "k", "column")];
            (kernel, own, factors)
        };
        let summed = |kernel: &mut Kernel, [x, y]: &[String; 2]| {
            kernel.line("var total = 0.0f;");
            kernel.repeat(n, format!("for (var k = 0u; k < {n}u; k++) {{"));
            kernel.line(format!("total = total + {x} * {y};"));
            kernel.line("}");
        };
        let mut body = Vec::new();
        let (mut kernel, own, factors) = product(self, [term, scaled]);
        summed(&mut kernel, &factors);
        kernel.line(format!("{} = total / f32(place + 1u);", here(&own, next)));
        self.add(kernel, span, &mut body)?;
        let mut kernel = self.each_entry(all, n, 2);
        let own = kernel.base(&all.own.pointer());
        kernel.line(format!("let x = {};", here(&own, next)));
        kernel.line(format!("{} = x;", here(&own, term)));
        kernel.line(format!("{0} = {0} + x;", here(&own, sum)));
        self.add(kernel, span, &mut body)?;
        steps.push(Step::Loop(Looped { depth: DEPTH, size: TERMS, reverse: false, before: Vec::new(), body }));

        // Each matrix takes as many as it needs.
        let mut body = Vec::new();
        let over = |own: &Base| format!("if (f32(place) >= {}) {{ return; }}", number(own, 0));
        let (mut kernel, own, factors) = product(self, [sum, sum]);
        kernel.line(over(&own));
        summed(&mut kernel, &factors);
        kernel.line(format!("{} = total;", here(&own, next)));
        self.add(kernel, span, &mut body)?;
        let mut kernel = self.each_entry(all, n, 2);
        let own = kernel.base(&all.own.pointer());
        let place = kernel.counter(DEPTH);
        kernel.line(format!("let place = {place};"));
        kernel.line(over(&own));
        kernel.line(format!("{} = {};", here(&own, sum), here(&own, next)));
        self.add(kernel, span, &mut body)?;
        steps.push(Step::Loop(Looped { depth: DEPTH, size: SQUARINGS, reverse: false, before: Vec::new(), body }));

        let mut kernel = self.each_entry(all, n, 1);
        let own = kernel.base(&all.own.pointer());
        let to = self.entry_of(&mut kernel, all, all.v);
        kernel.line(format!("{to} = {};", here(&own, sum)));
        self.add(kernel, span, steps)
    }
}
