//! Products: tiles of a matrix product, or sums one by one where there is no matrix to speak of.

use super::compile::{Compiler, Step, coalesce, dense};
use super::errors::Error;
use super::fold::Fold;
use super::kernel::{Kernel, Pointer, offset, split};
use crate::graph::{Contraction, Reduction, ValueId};
use crate::plan::Dim;

/// Entries of the summed dimension that a workgroup loads at a time.
const DEPTH: usize = 16;

/// Workgroups that keep a card busy: sums are cut in parts until there are about as many.
const BUSY: usize = 256;

/// The least number of summed entries of a part.
const PART: usize = 256;

/// Invocations of a workgroup, in rows of [`SIDE`].
const THREADS: usize = 64;
const SIDE: usize = 8;

/// Dimensions that play one part in a product, with the strides of the operands that have them.
struct Class {
    sizes: Vec<usize>,
    strides: Vec<Vec<usize>>,
}

impl Class {
    fn new(operands: usize) -> Self {
        Self { sizes: Vec::new(), strides: vec![Vec::new(); operands] }
    }

    fn push(&mut self, size: usize, strides: &[usize]) {
        self.sizes.push(size);
        self.strides.iter_mut().zip(strides).for_each(|(all, s)| all.push(*s));
    }

    fn len(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Sorted by the strides of one operand, the largest first, and joined where that can be.
    fn sorted(&mut self, by: usize) {
        let mut order: Vec<usize> = (0..self.sizes.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(self.strides[by][*i]));
        self.sizes = order.iter().map(|i| self.sizes[*i]).collect();
        for s in &mut self.strides {
            *s = order.iter().map(|i| s[*i]).collect();
        }
        coalesce(&mut self.sizes, &mut self.strides);
    }

    fn is_unit(&self, operand: usize) -> bool {
        self.strides[operand].last() == Some(&1)
    }
}

/// A product: strides of `batch` are those of a, b, the result; of `rows` a, result; of `columns` b, result; of `summed`
/// a, b.
struct Product {
    a: Pointer,
    b: Pointer,
    to: Pointer,
    batch: Class,
    rows: Class,
    columns: Class,
    summed: Class,
}

impl Compiler<'_> {
    /// A contraction.
    pub fn product(
        &mut self,
        spec: &Contraction,
        a: ValueId,
        b: ValueId,
        v: ValueId,
        steps: &mut Vec<Step>,
    ) -> Result<(), Error> {
        let product = self.classes(spec, a, b, v);
        if product.rows.len() < 8 || product.columns.len() < 8 || product.summed.len() < 4 {
            return self.fold(&product.fold(), v, steps);
        }
        self.tiled(product, v, steps)
    }

    fn classes(&self, spec: &Contraction, a: ValueId, b: ValueId, v: ValueId) -> Product {
        let (ta, tb) = (self.ty(a), self.ty(b));
        let (va, vb, to) = (self.plan.view(a), self.plan.view(b), self.plan.view(v));
        let mut p = Product {
            a: self.pointer(va),
            b: self.pointer(vb),
            to: self.pointer(to),
            batch: Class::new(3),
            rows: Class::new(2),
            columns: Class::new(2),
            summed: Class::new(2),
        };
        let mut push = |size, in_a: Option<usize>, in_b: Option<usize>, out: Option<usize>| match (in_a, in_b, out) {
            (Some(x), Some(y), Some(z)) => p.batch.push(size, &[x, y, z]),
            (Some(x), None, Some(z)) => p.rows.push(size, &[x, z]),
            (None, Some(y), Some(z)) => p.columns.push(size, &[y, z]),
            (Some(x), Some(y), None) => p.summed.push(size, &[x, y]),
            _ => unreachable!("one-sided sums are taken before the product"),
        };
        let mut axes: Vec<_> = ta.axes.iter().chain(&tb.axes).copied().collect();
        axes.sort_unstable();
        axes.dedup();
        for x in &axes {
            let d = self.dim(*x);
            push(
                self.axis_size(*x),
                ta.varies(*x).then(|| self.stride(va, d)),
                tb.varies(*x).then(|| self.stride(vb, d)),
                (!spec.axes.contains(x)).then(|| self.stride(to, d)),
            );
        }
        let mut labels: Vec<_> = spec.a.iter().chain(&spec.b).copied().collect();
        labels.sort_unstable();
        labels.dedup();
        for l in labels {
            let at =
                |side: &[u8], view| side.iter().position(|x| *x == l).map(|i| (i, self.stride(view, Dim::Shape(i))));
            let (x, y, z) = (at(&spec.a, va), at(&spec.b, vb), at(&spec.out, to));
            let size = x.map(|(i, _)| ta.shape[i]).or(y.map(|(i, _)| tb.shape[i])).unwrap_or(1);
            push(size, x.map(|p| p.1), y.map(|p| p.1), z.map(|p| p.1));
        }
        p.batch.sorted(2);
        p.rows.sorted(1);
        p.columns.sorted(1);
        p.summed.sorted(0);
        // Columns are the side whose neighbours lie side by side.
        let swap =
            if p.rows.is_unit(1) == p.columns.is_unit(1) { p.rows.len() > p.columns.len() } else { p.rows.is_unit(1) };
        if swap {
            std::mem::swap(&mut p.a, &mut p.b);
            std::mem::swap(&mut p.rows, &mut p.columns);
            p.batch.strides.swap(0, 1);
            p.summed.strides.swap(0, 1);
        }
        p
    }

    /// A product of matrices, a tile of the result per workgroup; long sums of few results in parts.
    fn tiled(&mut self, p: Product, v: ValueId, steps: &mut Vec<Step>) -> Result<(), Error> {
        let (m, n, k, batch) = (p.rows.len(), p.columns.len(), p.summed.len(), p.batch.len());
        let tile = |n: usize, least: usize| [least, 32, 64].into_iter().find(|t| n <= t * 3 / 4).unwrap_or(64);
        let (tm, tn) = (tile(m, 16), tile(n, 32));
        let tiles = batch * m.div_ceil(tm) * n.div_ceil(tn);
        let parts = (k / PART).clamp(1, BUSY.div_ceil(tiles));
        let part = k.div_ceil(parts).next_multiple_of(DEPTH);
        let parts = k.div_ceil(part);
        let mut kernel = Kernel::new(THREADS);
        (kernel.groups, kernel.cost) = (parts * tiles, 2 * tm * tn * part);
        kernel.of(self.plan.origin[v.index()]);
        let span = self.span(v);
        if parts == 1 {
            let to = p.to.clone();
            p.tile(&mut kernel, [tm, tn], part, parts, (&to, p.target()));
            return self.add(kernel, span, steps);
        }
        let spare = self.memory.spare(parts * batch * m * n, span)?.pointer();
        let to = Target {
            batch: dense_class(&p.batch.sizes, m * n),
            rows: dense_class(&p.rows.sizes, n),
            columns: dense_class(&p.columns.sizes, 1),
        };
        p.tile(&mut kernel, [tm, tn], part, parts, (&spare, to));
        self.add(kernel, span, steps)?;
        let sizes: Vec<usize> =
            [&p.batch.sizes, &p.rows.sizes, &p.columns.sizes].into_iter().flatten().copied().collect();
        let target = p.target();
        let strides: Vec<usize> = [target.batch, target.rows, target.columns].concat();
        let sum = Fold::new(
            Reduction::Sum,
            vec![spare],
            p.to.clone(),
            (sizes.clone(), vec![dense(&sizes), strides]),
            (vec![parts], vec![vec![batch * m * n]]),
        );
        self.fold(&sum, v, steps)
    }
}

fn dense_class(sizes: &[usize], unit: usize) -> Vec<usize> {
    dense(sizes).into_iter().map(|s| s * unit).collect()
}

/// The strides of the result.
struct Target {
    batch: Vec<usize>,
    rows: Vec<usize>,
    columns: Vec<usize>,
}

impl Product {
    fn target(&self) -> Target {
        Target {
            batch: self.batch.strides[2].clone(),
            rows: self.rows.strides[1].clone(),
            columns: self.columns.strides[1].clone(),
        }
    }

    /// As sums one by one.
    fn fold(self) -> Fold {
        let zeros = |n: usize| vec![0; n];
        let (rows, columns) = (self.rows.sizes.len(), self.columns.sizes.len());
        let mut kept = Class::new(3);
        kept.sizes = [self.batch.sizes, self.rows.sizes, self.columns.sizes].concat();
        let [a, b, to]: [Vec<usize>; 3] = self.batch.strides.try_into().unwrap_or_default();
        kept.strides = vec![
            [a, self.rows.strides[0].clone(), zeros(columns)].concat(),
            [b, zeros(rows), self.columns.strides[0].clone()].concat(),
            [to, self.rows.strides[1].clone(), self.columns.strides[1].clone()].concat(),
        ];
        kept.sorted(2);
        Fold::new(
            Reduction::Sum,
            vec![self.a, self.b],
            self.to,
            (kept.sizes, kept.strides),
            (self.summed.sizes, self.summed.strides),
        )
    }

    /// The text of a tile: entries of both factors go through memory that the workgroup shares, and every invocation
    /// keeps a few rows of four or eight columns in registers.
    fn tile(&self, kernel: &mut Kernel, [tm, tn]: [usize; 2], part: usize, parts: usize, to: (&Pointer, Target)) {
        let (m, n, k, batch) = (self.rows.len(), self.columns.len(), self.summed.len(), self.batch.len());
        let (rows, quads) = (tm / SIDE, tn / SIDE / 4);
        let (a, b) = (kernel.base(&self.a), kernel.base(&self.b));
        let (to, strides) = (kernel.base(to.0), to.1);
        kernel.share("left", "f32", DEPTH * tm, 4);
        kernel.share("right", "vec4<f32>", DEPTH * tn / 4, 16);
        let by = |kernel: &mut Kernel, name: &str, class: &Class, operand: usize| {
            linear(kernel, name, &class.sizes, &class.strides[operand])
        };
        let a_row = by(kernel, "a_row", &self.rows, 0);
        let a_sum = by(kernel, "a_sum", &self.summed, 0);
        let b_column = by(kernel, "b_column", &self.columns, 0);
        let b_sum = by(kernel, "b_sum", &self.summed, 1);
        let to_row = linear(kernel, "to_row", &self.rows.sizes, &strides.rows);
        let to_column = linear(kernel, "to_column", &self.columns.sizes, &strides.columns);

        kernel.line("let g = group.x + p.o[0].x;");
        let (across, down) = (n.div_ceil(tn), m.div_ceil(tm));
        let place = split(kernel, "g", "g", &[parts, batch, down, across]);
        let index = split(kernel, &place[1], "z", &self.batch.sizes);
        kernel.line(format!("let row0 = {} * {tm}u;", place[2]));
        kernel.line(format!("let column0 = {} * {tn}u;", place[3]));
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
        kernel.line(format!("for (var k = {from}; k < {end}; k += {DEPTH}u) {{"));
        let exact_k = k.is_multiple_of(DEPTH) && part.is_multiple_of(DEPTH);
        let guard = |conditions: Vec<Option<String>>| conditions.into_iter().flatten().collect::<Vec<_>>().join(" && ");
        let inside = |exact: bool, name: &str, end: &str| (!exact).then(|| format!("{name} < {end}"));
        // Neighbouring invocations read neighbours, whichever side those lie on.
        let a_by_sum = self.summed.is_unit(0);
        kernel.line(format!("for (var e = thread; e < {}u; e += {THREADS}u) {{", DEPTH * tm));
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
        kernel.line(format!("for (var e = thread; e < {}u; e += {THREADS}u) {{", DEPTH * tn / 4));
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
        kernel.line(format!("for (var s = 0u; s < {DEPTH}u; s++) {{"));
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
                    let address = to.at(&format!("{base} + at + {}", to_column(&column)));
                    let condition = guard(vec![inside(n.is_multiple_of(tn), &column, &format!("{n}u"))]);
                    kernel.line(guarded(&condition, &format!("{address} = c{r}_{q}[{lane}];")));
                }
            }
            if open {
                kernel.line("}");
            }
            kernel.line("}");
        }
    }
}

fn guarded(condition: &str, what: &str) -> String {
    if condition.is_empty() { what.to_owned() } else { format!("if ({condition}) {{ {what} }}") }
}

/// How far an index reaches from its base: a function of the text where the index has several dimensions.
fn linear(kernel: &mut Kernel, name: &str, sizes: &[usize], strides: &[usize]) -> impl Fn(&str) -> String + use<> {
    let (stride, name) = match strides {
        [] => (Some(0), String::new()),
        [s] => (Some(*s), String::new()),
        _ => {
            let mut left = "i".to_owned();
            let mut terms = Vec::new();
            for (d, (n, s)) in sizes.iter().zip(strides).enumerate().rev() {
                let digit = if d == 0 { left.clone() } else { format!("{left} % {n}u") };
                terms.push(format!("({digit}) * {s}u"));
                left = format!("({left} / {n}u)");
            }
            kernel.declare(format!("fn {name}(i: u32) -> u32 {{ return {}; }}", terms.join(" + ")));
            (None, name.to_owned())
        }
    };
    move |index: &str| match stride {
        Some(0) => "0u".to_owned(),
        Some(1) => index.to_owned(),
        Some(s) => format!("{index} * {s}u"),
        None => format!("{name}({index})"),
    }
}
