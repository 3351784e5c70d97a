//! Products by the matrix units of a card: a subgroup, which is a workgroup, multiplies square tiles at once.
//!
//! Tiles of both factors go through memory that the workgroup shares, rounded to half precision where the units take such
//! numbers; sums are in single precision. The result goes back through shared memory, from where each entry is stored with
//! what the product takes in.

use super::device::MatrixUnit;
use super::kernel::{Base, Kernel, Pointer, offset};
use super::product::{Chain, DEPTH, Parts, Product, Target, guarded, linear};

/// Tiles of the units along a side of a workgroup's tile, at most.
pub(super) const ALONG: usize = 4;

impl Product {
    /// The text of a tile by matrix units.
    pub fn unit_tile(&self, kernel: &mut Kernel, unit: MatrixUnit, cut: Parts, to: (&Pointer, Target), chain: &Chain) {
        let Parts { tile: [tm, tn], count: parts, length: part, .. } = cut;
        let MatrixUnit { side, half, threads } = unit;
        let (m, n, k, batch) = (self.rows.len(), self.columns.len(), self.summed.len(), self.batch.len());
        let number = if half { "f16" } else { "f32" };
        let bytes = if half { 2 } else { 4 };
        kernel.enable("wgpu_cooperative_matrix");
        if half {
            kernel.enable("f16");
        }
        let (a, b) = (kernel.base(&self.a), kernel.base(&self.b));
        let (to, strides) = (kernel.base(to.0), to.1);
        kernel.share("left", number, tm * DEPTH, bytes);
        kernel.share("right", number, DEPTH * tn, bytes);
        kernel.share("result", "f32", tm * tn, 4);
        let (a_row, a_sum) = (self.rows.along(kernel, 0), self.summed.along(kernel, 0));
        let (b_column, b_sum) = (self.columns.along(kernel, 0), self.summed.along(kernel, 1));
        let to_row = linear(kernel, &self.rows.sizes, &strides.rows);
        let to_column = linear(kernel, &self.columns.sizes, &strides.columns);

        let (place, index) = self.corner(kernel, cut);
        kernel.line(format!("let first = {} * {part}u;", place[0]));
        kernel.line(format!("let end = min(first + {part}u, {k}u);"));
        kernel.takes((tm * tn).div_ceil(threads));
        kernel.line(format!("for (var e = thread; e < {}u; e += {threads}u) {{ result[e] = 0.0f; }}", tm * tn));
        kernel.line("workgroupBarrier();");
        let matrix = |of: &str, role: &str| format!("coop_mat{side}x{side}<{of}, {role}>");
        let (rows, columns) = (tm / side, tn / side);
        let corner = |r: usize, c: usize| r * side * tn + c * side;
        for r in 0..rows {
            for c in 0..columns {
                let sum = matrix("f32", "C");
                kernel.line(format!("var c{r}_{c} = coopLoadT<{sum}>(&result[{}u], {tn}u);", corner(r, c)));
            }
        }
        kernel.repeat(part.min(k).div_ceil(DEPTH), format!("for (var k = first; k < end; k += {DEPTH}u) {{"));
        let load = |kernel: &mut Kernel, name: &str, width: usize, by_row: bool, condition: &str, from: &str| {
            let count = if name == "left" { tm * DEPTH } else { DEPTH * tn };
            kernel.repeat(count.div_ceil(threads), format!("for (var e = thread; e < {count}u; e += {threads}u) {{"));
            kernel.line(format!("let x = e / {width}u;"));
            kernel.line(format!("let y = e % {width}u;"));
            let (outer, sum) = if by_row { ("x", "y") } else { ("y", "x") };
            kernel.line(format!("let own = {outer};"));
            kernel.line(format!("let sum = k + {sum};"));
            kernel.line("var number = 0.0f;");
            kernel.line(guarded(condition, &format!("number = {from};")));
            let rounded = if half { "f16(number)" } else { "number" };
            kernel.line(format!("{name}[e] = {rounded};"));
            kernel.line("}");
        };
        let entry = |base: &Base, batch: &[usize], own: &str, sum: &str| {
            base.at(&format!("{} + {own} + {sum}", offset(&index, batch)))
        };
        let from_a = entry(&a, &self.batch.strides[0], &a_row("(row0 + own)"), &a_sum("sum"));
        let from_b = entry(&b, &self.batch.strides[1], &b_column("(column0 + own)"), &b_sum("sum"));
        load(kernel, "left", DEPTH, true, &format!("row0 + own < {m}u && sum < end"), &from_a);
        load(kernel, "right", tn, false, &format!("column0 + own < {n}u && sum < end"), &from_b);
        kernel.line("workgroupBarrier();");
        for s in (0..DEPTH).step_by(side) {
            kernel.line("{");
            for c in 0..columns {
                let right = matrix(number, "B");
                kernel.line(format!("let y{c} = coopLoadT<{right}>(&right[{}u], {tn}u);", s * tn + c * side));
            }
            for r in 0..rows {
                let left = matrix(number, "A");
                kernel.line(format!("let x{r} = coopLoadT<{left}>(&left[{}u], {DEPTH}u);", r * side * DEPTH + s));
                for c in 0..columns {
                    kernel.line(format!("c{r}_{c} = coopMultiplyAdd(x{r}, y{c}, c{r}_{c});"));
                }
            }
            kernel.line("}");
        }
        kernel.line("workgroupBarrier();");
        kernel.line("}");
        for r in 0..rows {
            for c in 0..columns {
                kernel.line(format!("coopStoreT(c{r}_{c}, &result[{}u], {tn}u);", corner(r, c)));
            }
        }
        kernel.line("workgroupBarrier();");
        let taken: Vec<Base> = chain.pointers.iter().map(|pointer| kernel.base(pointer)).collect();
        let each = format!("for (var e = thread; e < {}u; e += {threads}u) {{", tm * tn);
        kernel.repeat((tm * tn).div_ceil(threads), each);
        kernel.line(format!("let row = row0 + e / {tn}u;"));
        kernel.line(format!("let column = column0 + e % {tn}u;"));
        kernel.line(format!("if (row >= {m}u || column >= {n}u) {{ continue; }}"));
        let value = self.after(kernel, chain, &taken, (&index, "row", "column"), "result[e]".to_owned());
        let stack = if parts == 1 { String::new() } else { format!(" + {} * {}u", place[0], batch * m * n) };
        let at = format!("{}{stack} + {} + {}", offset(&index, &strides.batch), to_row("row"), to_column("column"));
        kernel.line(to.put(&at, &value));
        kernel.line("}");
    }
}
