//! Linear algebra on small dense matrices: one invocation per matrix, in memory of its own. [`large`](super::large) has the others.

use super::code::Step;
use super::compile::Compiler;
use super::errors::Error;
use super::functions::Function;
use super::kernel::{Kernel, offset, split};
use super::large::{LARGE, SQUARINGS};
use crate::graph::{Op, ValueId};
use crate::plan::Dim;

impl Compiler<'_> {
    /// A solution, an inverse or an exponential for every index of the axes.
    pub fn dense(&mut self, a: ValueId, b: Option<ValueId>, v: ValueId, steps: &mut Vec<Step>) -> Result<(), Error> {
        let plan = self.plan;
        let ty = self.ty(v).clone();
        let n = self.ty(a).shape[0];
        if n >= LARGE {
            return self.large(a, b, v, steps);
        }
        let m = ty.shape.get(1).copied().unwrap_or(1);
        let (va, to) = (plan.view(a), plan.view(v));
        let mut dims = self.dims(&ty);
        dims.truncate(ty.axes.len());
        dims.sort_by_key(|(d, _)| std::cmp::Reverse(self.stride(to, *d)));
        let sizes: Vec<usize> = dims.iter().map(|d| d.1).collect();
        let count: usize = sizes.iter().product();
        // Three matrices at most, entry by entry, so that neighbours lie side by side.
        let words = count * (2 * n * n + n * m.max(n));
        let spare = self.memory.spare(words, self.span(v))?;

        let mut kernel = Kernel::each(count, 2 * n * n * n.max(m));
        kernel.kind = "products";
        kernel.of(plan.origin[v.index()]);
        let index = split(&mut kernel, "i", "i", &sizes);
        let own = kernel.base(&spare.pointer());
        let (source, target) = (kernel.base(&self.pointer(va)), kernel.base(&self.pointer(to)));
        let left = |at: &str| own.at(&format!(" + ({at}) * {count}u + i"));
        let right = |at: &str| own.at(&format!(" + ({} + {at}) * {count}u + i", 2 * n * n));
        let entry = |view: &crate::plan::View, base: &super::kernel::Base| {
            let column = if view.shape.len() > 1 { self.stride(view, Dim::Shape(1)) } else { 0 };
            let row = self.stride(view, Dim::Shape(0));
            base.at(&format!("{} + r * {row}u + c * {column}u", offset(&index, &self.strides(view, &dims))))
        };
        let all = |kernel: &mut Kernel, columns: usize, what: &str| {
            kernel.repeat(n, format!("for (var r = 0u; r < {n}u; r++) {{"));
            kernel.repeat(columns, format!("for (var c = 0u; c < {columns}u; c++) {{"));
            kernel.line(what);
            kernel.line("}");
            kernel.line("}");
        };
        let matrix = entry(va, &source);
        let result = entry(to, &target);
        match (&plan.program.node(v).op, b) {
            (Op::Expm(_), _) => {
                exponential(&mut kernel, n, &matrix, &result, [&left, &right]);
            }
            (_, b) => {
                all(&mut kernel, n, &format!("{} = {matrix};", left(&format!("r * {n}u + c"))));
                let first = match b {
                    Some(b) => {
                        let vb = plan.view(b);
                        let base = kernel.base(&self.pointer(vb));
                        entry(vb, &base)
                    }
                    None => "select(0.0f, 1.0f, r == c)".to_owned(),
                };
                all(&mut kernel, m, &format!("{} = {first};", right(&format!("r * {m}u + c"))));
                eliminate(&mut kernel, n, m, [&left, &right]);
                all(&mut kernel, m, &format!("{result} = {};", right(&format!("r * {m}u + c"))));
            }
        }
        if kernel.turns > self.target.turns() {
            return self.large(a, b, v, steps);
        }
        self.add(kernel, self.span(v), steps)
    }
}

/// Scaling and squaring of a Taylor polynomial of degree 12 at norm ≤ 1/2.
fn exponential(kernel: &mut Kernel, n: usize, matrix: &str, result: &str, [left, right]: [&dyn Fn(&str) -> String; 2]) {
    let finite = kernel.call(Function::IsFinite);
    let (scaled, term) = (left(&format!("r * {n}u + c")), left(&format!("{}u + r * {n}u + c", n * n)));
    let sum = right(&format!("r * {n}u + c"));
    let all = |kernel: &mut Kernel, lines: &[&str]| {
        kernel.repeat(n, format!("for (var r = 0u; r < {n}u; r++) {{"));
        kernel.repeat(n, format!("for (var c = 0u; c < {n}u; c++) {{"));
        lines.iter().for_each(|l| kernel.line(l));
        kernel.line("}");
        kernel.line("}");
    };
    kernel.line("var norm = 0.0f;");
    kernel.repeat(n, format!("for (var r = 0u; r < {n}u; r++) {{"));
    kernel.line("var row = 0.0f;");
    kernel.repeat(n, format!("for (var c = 0u; c < {n}u; c++) {{"));
    kernel.line(format!("row = row + abs({matrix});"));
    kernel.line("}");
    kernel.line("norm = select(max(norm, row), row, (bitcast<u32>(row) & 0x7f800000u) == 0x7f800000u);");
    kernel.line("}");
    kernel.line("var squarings = 0u;");
    kernel.line("var scale = 1.0f;");
    kernel.line(format!("if ({finite}(norm)) {{"));
    kernel.takes(SQUARINGS);
    kernel.line("for (var size = norm; size > 0.5f; size = size * 0.5f) { squarings++; scale = scale * 0.5f; }");
    kernel.line("}");
    all(
        kernel,
        &[
            &format!("{scaled} = {matrix} * scale;"),
            &format!("{term} = select(0.0f, 1.0f, r == c);"),
            &format!("{sum} = select(0.0f, 1.0f, r == c);"),
        ],
    );
    // A row of the term times the matrix needs that row alone.
    let row = |kernel: &mut Kernel, from: &str, by: &dyn Fn(&str) -> String, with: &dyn Fn(&mut Kernel)| {
        kernel.repeat(n, format!("for (var r = 0u; r < {n}u; r++) {{"));
        kernel.line(format!("var row = array<f32, {n}>();"));
        kernel.repeat(n, format!("for (var c = 0u; c < {n}u; c++) {{"));
        kernel.line("var x = 0.0f;");
        kernel.repeat(n, format!("for (var k = 0u; k < {n}u; k++) {{"));
        kernel.line(format!("x = x + {from} * {};", by("k")));
        kernel.line("}");
        kernel.line("row[c] = x;");
        kernel.line("}");
        kernel.repeat(n, format!("for (var c = 0u; c < {n}u; c++) {{"));
        with(kernel);
        kernel.line("}");
        kernel.line("}");
    };
    let term_k = left(&format!("{}u + r * {n}u + k", n * n));
    kernel.repeat(12, "for (var degree = 1u; degree <= 12u; degree++) {");
    row(kernel, &term_k, &|k| left(&format!("{k} * {n}u + c")), &|kernel| {
        kernel.line(format!("{term} = row[c] / f32(degree);"));
        kernel.line(format!("{sum} = {sum} + {term};"));
    });
    kernel.line("}");
    // Squares need the whole of the sum: it stands aside in the term's place.
    let sum_k = left(&format!("{}u + r * {n}u + k", n * n));
    kernel.repeat(SQUARINGS, "for (var s = 0u; s < squarings; s++) {");
    all(kernel, &[&format!("{term} = {sum};")]);
    row(kernel, &sum_k, &|k| left(&format!("{}u + {k} * {n}u + c", n * n)), &|kernel| {
        kernel.line(format!("{sum} = row[c];"));
    });
    kernel.line("}");
    all(kernel, &[&format!("{result} = {sum};")]);
}

/// Gauss–Jordan elimination with row pivots; a singular matrix gives what is not finite.
fn eliminate(kernel: &mut Kernel, n: usize, m: usize, [left, right]: [&dyn Fn(&str) -> String; 2]) {
    let a = |row: &str, column: &str| left(&format!("{row} * {n}u + {column}"));
    let b = |row: &str, column: &str| right(&format!("{row} * {m}u + {column}"));
    let swap = |kernel: &mut Kernel, columns: usize, at: &dyn Fn(&str, &str) -> String| {
        kernel.repeat(columns, format!("for (var c = 0u; c < {columns}u; c++) {{"));
        kernel.line(format!("let x = {};", at("k", "c")));
        kernel.line(format!("{} = {};", at("k", "c"), at("pivot", "c")));
        kernel.line(format!("{} = x;", at("pivot", "c")));
        kernel.line("}");
    };
    kernel.repeat(n, format!("for (var k = 0u; k < {n}u; k++) {{"));
    kernel.line("var pivot = k;");
    kernel.repeat(n, format!("for (var r = k + 1u; r < {n}u; r++) {{"));
    kernel.line(format!("if (abs({}) > abs({})) {{ pivot = r; }}", a("r", "k"), a("pivot", "k")));
    kernel.line("}");
    kernel.line("if (pivot != k) {");
    swap(kernel, n, &a);
    swap(kernel, m, &b);
    kernel.line("}");
    kernel.line(format!("let head = {};", a("k", "k")));
    kernel.repeat(n, format!("for (var r = 0u; r < {n}u; r++) {{"));
    kernel.line("if (r != k) {");
    kernel.line(format!("let f = {} / head;", a("r", "k")));
    for (columns, at) in [(n, &a as &dyn Fn(&str, &str) -> String), (m, &b)] {
        kernel.repeat(columns, format!("for (var c = 0u; c < {columns}u; c++) {{"));
        kernel.line(format!("{0} = {0} - f * {1};", at("r", "c"), at("k", "c")));
        kernel.line("}");
    }
    kernel.line("}");
    kernel.line("}");
    kernel.line("}");
    kernel.repeat(n, format!("for (var r = 0u; r < {n}u; r++) {{"));
    kernel.repeat(m, format!("for (var c = 0u; c < {m}u; c++) {{"));
    kernel.line(format!("{0} = {0} / {1};", b("r", "c"), a("r", "r")));
    kernel.line("}");
    kernel.line("}");
}
