//! Products inside of a carried loop: a matrix that all samples share, times what the samples of a workgroup hold.

use super::compile::Compiler;
use super::kernel::{Base, Kernel, Place, offset, split};
use super::product::{Chain, Product, then};
use crate::graph::ValueId;

/// Rows and columns of a result that an invocation may keep in registers.
const ROWS: [usize; 4] = [1, 2, 4, 8];
const COLUMNS: [usize; 3] = [4, 8, 16];

/// Numbers that an invocation keeps at most.
const MOST: usize = 64;

impl Product {
    /// Whether it is one of a matrix that all samples share with columns among which the samples of a workgroup are the
    /// fastest.
    pub fn is_layer(&self, lanes: usize) -> bool {
        let unit = |operand: usize| self.columns.strides[operand].last() == Some(&1);
        let samples = self.columns.sizes.last().is_some_and(|n| n.is_multiple_of(lanes));
        !self.a.lanes && self.b.lanes && self.to.lanes && unit(0) && unit(1) && samples
    }

    /// Rows and columns of an invocation: those that take the least time for all, by operations and by what is read.
    fn block(&self, threads: usize, lanes: usize) -> (usize, usize) {
        let (m, n, batch) = (self.rows.len(), self.columns.len(), self.batch.len());
        let blocks = ROWS.into_iter().flat_map(|r| COLUMNS.into_iter().map(move |c| (r, c)));
        let fits = |(r, c): &(usize, usize)| r * c <= MOST && lanes.is_multiple_of(*c) && (*r == 1 || *r <= m);
        let time = |(r, c): &(usize, usize)| {
            let units = batch * m.div_ceil(*r) * (n / c);
            units.div_ceil(threads) * (r * c / 4 + r + c)
        };
        blocks.filter(fits).min_by_key(time).unwrap_or((1, 4))
    }
}

impl Compiler<'_> {
    /// A product and what it takes in, inside of a carried loop.
    pub fn layer(&mut self, p: &Product, chain: &Chain, v: ValueId) {
        let Some(inside) = &mut self.inside else { return };
        let lanes = inside.lanes();
        let mut kernel = inside.take();
        let origin = self.plan.origin[v.index()];
        kernel.of(origin);
        let (m, n, k, batch) = (p.rows.len(), p.columns.len(), p.summed.len(), p.batch.len());
        let (rows, columns) = p.block(kernel.threads, lanes);
        let sizes = [batch, m.div_ceil(rows), n / columns];
        let units = sizes.iter().product();
        let (a_row, a_sum) = (p.rows.along(&mut kernel, 0), p.summed.along(&mut kernel, 0));
        let (b_column, b_sum) = (p.columns.along(&mut kernel, 0), p.summed.along(&mut kernel, 1));
        kernel.part("u", units, 2 * rows * columns * k);
        let place = split(&mut kernel, "u", "u", &sizes);
        let index = split(&mut kernel, &place[0], "z", &p.batch.sizes);
        let (a, b) = (kernel.base(&p.a), kernel.base(&p.b));
        kernel.line(format!("let row0 = {} * {rows}u;", place[1]));
        kernel.line(format!("let column0 = {} * {columns}u;", place[2]));
        kernel.line(format!("let at_b = {}{};", b_column("column0"), offset(&index, &p.batch.strides[1])));
        for r in 0..rows {
            // What is beyond the last row is computed twice and stored once.
            let row =
                if m.is_multiple_of(rows) { format!("(row0 + {r}u)") } else { format!("min(row0 + {r}u, {}u)", m - 1) };
            kernel.line(format!("let at_a{r} = {}{};", a_row(&row), offset(&index, &p.batch.strides[0])));
            for q in 0..columns / 4 {
                kernel.line(format!("var c{r}_{q} = vec4<f32>();"));
            }
        }
        kernel.repeat(k, format!("for (var s = 0u; s < {k}u; s++) {{"));
        kernel.line(format!("let from_b = at_b + {};", b_sum("s")));
        for q in 0..columns / 4 {
            let entry = |e: usize| b.at(&format!(" + from_b + {}u", 4 * q + e));
            kernel.line(format!("let y{q} = vec4<f32>({}, {}, {}, {});", entry(0), entry(1), entry(2), entry(3)));
        }
        kernel.line(format!("let from_a = {};", a_sum("s")));
        for r in 0..rows {
            kernel.line(format!("let x{r} = {};", a.at(&format!(" + at_a{r} + from_a"))));
            for q in 0..columns / 4 {
                kernel.line(format!("c{r}_{q} = fma(vec4<f32>(x{r}), y{q}, c{r}_{q});"));
            }
        }
        kernel.line("}");
        let bases: Vec<Base> = chain.pointers.iter().map(|pointer| kernel.base(pointer)).collect();
        let to = kernel.base(&p.to);
        let unit = |operand: usize| p.columns.strides[operand].last() == Some(&1);
        for r in 0..rows {
            let open = if m.is_multiple_of(rows) { "{".to_owned() } else { format!("if (row0 + {r}u < {m}u) {{") };
            kernel.line(open);
            kernel.line(format!("let row = row0 + {r}u;"));
            for q in 0..columns / 4 {
                kernel.line("{");
                kernel.line(format!("let column = column0 + {}u;", 4 * q));
                let mut value = format!("c{r}_{q}");
                for (i, step) in chain.steps.iter().enumerate() {
                    let operand = step.operand().map(|x| {
                        let class = 2 + x;
                        let (to_row, to_column) =
                            (p.rows.along(&mut kernel, class), p.columns.along(&mut kernel, class));
                        let start = format!(
                            " + {} + {}{}",
                            to_row("row"),
                            to_column("column"),
                            offset(&index, &p.batch.strides[class + 1])
                        );
                        if unit(class) {
                            let entry = |e: usize| bases[*x].at(&format!("{start} + {e}u"));
                            format!("vec4<f32>({}, {}, {}, {})", entry(0), entry(1), entry(2), entry(3))
                        } else {
                            format!("vec4<f32>({})", bases[*x].at(&start))
                        }
                    });
                    let text = then(&mut kernel, step, operand.as_deref(), &value, true);
                    kernel.line(format!("let v{i} = {text};"));
                    value = format!("v{i}");
                }
                store(&mut kernel, p, &to, &index, &value, lanes);
                kernel.line("}");
            }
            kernel.line("}");
        }
        kernel.line("}");
        if let Some(inside) = &mut self.inside {
            inside.put(kernel);
        }
    }
}

/// Stores four neighbouring samples, those that the batch has.
fn store(kernel: &mut Kernel, p: &Product, to: &Base, index: &[String], value: &str, lanes: usize) {
    let (to_row, to_column) = (p.rows.along(kernel, 1), p.columns.along(kernel, 1));
    let at = format!("{} + {}{}", to_row("row"), to_column("column"), offset(index, &p.batch.strides[2]));
    kernel.line(format!("let at = {at};"));
    let shared = p.to.place == Place::Shared;
    let batch = kernel.carries().map_or(0, |c| c.batch);
    for e in 0..4 {
        let line = to.put(&format!(" + at + {e}u"), &format!("{value}[{e}]"));
        if shared || batch.is_multiple_of(lanes) {
            kernel.line(line);
        } else {
            kernel.line(format!("if (lane0 + column % {lanes}u + {e}u < {batch}u) {{ {line} }}"));
        }
    }
}
