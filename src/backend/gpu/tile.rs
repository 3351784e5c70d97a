//! A tile of a product as text: what a workgroup does.

use super::kernel::{Base, Kernel, Pointer, offset};
use super::product::{Chain, DEPTH, Parts, Product, SIDE, THREADS, Target, guarded, linear};

impl Product {
    /// The text of a tile: entries of both factors go through memory that the workgroup shares, and every invocation
    /// keeps a few rows of four or eight columns in registers.
    pub fn tile(&self, kernel: &mut Kernel, cut: Parts, to: (&Pointer, Target), chain: &Chain) {
        let Parts { tile: [tm, tn], count: parts, length: part, .. } = cut;
        let (m, n, k, batch) = (self.rows.len(), self.columns.len(), self.summed.len(), self.batch.len());
        let (rows, quads) = (tm / SIDE, tn / SIDE / 4);
        let (a, b) = (kernel.base(&self.a), kernel.base(&self.b));
        let (to, strides) = (kernel.base(to.0), to.1);
        kernel.share("left", "f32", DEPTH * tm, 4);
        kernel.share("right", "vec4<f32>", DEPTH * tn / 4, 16);
        let a_row = self.rows.along(kernel, 0);
        let a_sum = self.summed.along(kernel, 0);
        let b_column = self.columns.along(kernel, 0);
        let b_sum = self.summed.along(kernel, 1);
        let to_row = linear(kernel, &self.rows.sizes, &strides.rows);
        let to_column = linear(kernel, &self.columns.sizes, &strides.columns);

        let (place, index) = self.corner(kernel, cut);
        let (from, end) = if parts == 1 {
            ("0u".to_owned(), format!("{k}u"))
        } else {
            kernel.line(format!("let first = {} * {part}u;", place[0]));
            kernel.line(format!("let end = min(first + {part}u, {k}u);"));
            ("first".to_owned(), "end".to_owned())
        };
        kernel.line(format!("let ty = thread / {SIDE}u;"));
        kernel.line(format!("let tx = thread % {SIDE}u;"));
        for r in 0..rows {
            for q in 0..quads {
                kernel.line(format!("var c{r}_{q} = vec4<f32>();"));
            }
        }
        kernel.repeat(part.min(k).div_ceil(DEPTH), format!("for (var k = {from}; k < {end}; k += {DEPTH}u) {{"));
        let exact_k = k.is_multiple_of(DEPTH) && part.is_multiple_of(DEPTH);
        let guard = |conditions: Vec<Option<String>>| conditions.into_iter().flatten().collect::<Vec<_>>().join(" && ");
        let inside = |exact: bool, name: &str, end: &str| (!exact).then(|| format!("{name} < {end}"));
        // Neighbouring invocations read neighbours, whichever side those lie on.
        let a_by_sum = self.summed.is_unit(0);
        kernel.repeat(
            (DEPTH * tm).div_ceil(THREADS),
            format!("for (var e = thread; e < {}u; e += {THREADS}u) {{", DEPTH * tm),
        );
        let (fast, quick) = if a_by_sum { (DEPTH, "s") } else { (tm, "r") };
        kernel.line(format!("let {quick} = e % {fast}u;"));
        kernel.line(format!("let {} = e / {fast}u;", if a_by_sum { "r" } else { "s" }));
        kernel.line("let row = row0 + r;");
        kernel.line("let sum = k + s;");
        let address =
            a.at(&format!("{} + {} + {}", offset(&index, &self.batch.strides[0]), a_row("row"), a_sum("sum")));
        let condition =
            guard(vec![inside(m.is_multiple_of(tm), "row", &format!("{m}u")), inside(exact_k, "sum", &end)]);
        kernel.line("var x = 0.0f;");
        kernel.line(guarded(&condition, &format!("x = {address};")));
        kernel.line(format!("left[s * {tm}u + r] = x;"));
        kernel.line("}");
        let b_by_sum = self.summed.is_unit(1) && !self.columns.is_unit(0);
        kernel.repeat(
            (DEPTH * tn / 4).div_ceil(THREADS),
            format!("for (var e = thread; e < {}u; e += {THREADS}u) {{", DEPTH * tn / 4),
        );
        if b_by_sum {
            kernel.line(format!("let s = e % {DEPTH}u;"));
            kernel.line(format!("let q = e / {DEPTH}u;"));
        } else {
            kernel.line(format!("let q = e % {}u;", tn / 4));
            kernel.line(format!("let s = e / {}u;", tn / 4));
        }
        kernel.line("let sum = k + s;");
        kernel.line("let column = column0 + 4u * q;");
        kernel.line("var x = vec4<f32>();");
        let summed = b_sum("sum");
        for lane in 0..4 {
            let column = if lane == 0 { "column".to_owned() } else { format!("(column + {lane}u)") };
            let address =
                b.at(&format!("{} + {} + {summed}", offset(&index, &self.batch.strides[1]), b_column(&column)));
            let whole = n.is_multiple_of(tn);
            let condition = guard(vec![inside(whole, &column, &format!("{n}u")), inside(exact_k, "sum", &end)]);
            kernel.line(guarded(&condition, &format!("x[{lane}] = {address};")));
        }
        kernel.line(format!("right[s * {}u + q] = x;", tn / 4));
        kernel.line("}");
        kernel.line("workgroupBarrier();");
        kernel.repeat(DEPTH, format!("for (var s = 0u; s < {DEPTH}u; s++) {{"));
        for q in 0..quads {
            kernel.line(format!("let y{q} = right[s * {}u + tx + {}u];", tn / 4, q * SIDE));
        }
        for r in 0..rows {
            kernel.line(format!("let x{r} = left[s * {tm}u + ty * {rows}u + {r}u];"));
            for q in 0..quads {
                kernel.line(format!("c{r}_{q} = fma(vec4<f32>(x{r}), y{q}, c{r}_{q});"));
            }
        }
        kernel.line("}");
        kernel.line("workgroupBarrier();");
        kernel.line("}");
        let stack = if parts == 1 { String::new() } else { format!(" + {} * {}u", place[0], batch * m * n) };
        let base = format!("{}{stack}", offset(&index, &strides.batch));
        let taken: Vec<Base> = chain.pointers.iter().map(|pointer| kernel.base(pointer)).collect();
        for r in 0..rows {
            kernel.line("{");
            kernel.line(format!("let row = row0 + ty * {rows}u + {r}u;"));
            let open = !m.is_multiple_of(tm);
            if open {
                kernel.line(format!("if (row < {m}u) {{"));
            }
            kernel.line(format!("let at = {};", to_row("row")));
            for q in 0..quads {
                for lane in 0..4 {
                    let column = format!("(column0 + 4u * tx + {}u)", 4 * q * SIDE + lane);
                    let address = format!("{base} + at + {}", to_column(&column));
                    let condition = guard(vec![inside(n.is_multiple_of(tn), &column, &format!("{n}u"))]);
                    if chain.steps.is_empty() {
                        kernel.line(guarded(&condition, &to.put(&address, &format!("c{r}_{q}[{lane}]"))));
                        continue;
                    }
                    kernel.line(if condition.is_empty() { "{".to_owned() } else { format!("if ({condition}) {{") });
                    let place = (&*index, "row", &*column);
                    let value = self.after(kernel, chain, &taken, place, format!("c{r}_{q}[{lane}]"));
                    kernel.line(to.put(&address, &value));
                    kernel.line("}");
                }
            }
            if open {
                kernel.line("}");
            }
            kernel.line("}");
        }
    }
}
