//! Products: tiles of a matrix product, or sums one by one where there is no matrix to speak of.

use super::code::Step;
use super::compile::{Compiler, coalesce, dense};
use super::device::MatrixUnit;
use super::errors::Error;
use super::fold::Fold;
use super::functions::Function;
use super::kernel::{Base, Kernel, Pointer, literal, offset, split};
use super::units;
use crate::graph::{Contraction, Op, Reduction, ValueId};
use crate::plan::{Dim, Tail, Then};

/// Entries of the summed dimension that a workgroup loads at a time.
pub(super) const DEPTH: usize = 16;

/// Workgroups that keep a card busy: sums are cut in parts until there are about as many.
const BUSY: usize = 256;

/// The least number of summed entries of a part.
const PART: usize = 256;

/// The most: a workgroup takes some 50 turns of loops for [`DEPTH`] of them, and a device in software has not more of those.
const LONGEST: usize = 1 << 14;

/// Invocations of a workgroup, in rows of [`SIDE`].
pub(super) const THREADS: usize = 64;
pub(super) const SIDE: usize = 8;

/// Dimensions that play one part in a product, with the strides of the operands that have them.
pub(super) struct Class {
    pub sizes: Vec<usize>,
    pub strides: Vec<Vec<usize>>,
}

impl Class {
    fn new(operands: usize) -> Self {
        Self { sizes: Vec::new(), strides: vec![Vec::new(); operands] }
    }

    fn push(&mut self, size: usize, strides: &[usize]) {
        self.sizes.push(size);
        self.strides.iter_mut().zip(strides).for_each(|(all, s)| all.push(*s));
    }

    /// The number of indices.
    pub fn len(&self) -> usize {
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

    /// Whether neighbours lie side by side in an operand.
    pub fn is_unit(&self, operand: usize) -> bool {
        self.strides[operand].last() == Some(&1)
    }
}

/// A product: strides of `batch` are those of a, b, the result; of `rows` a, result; of `columns` b, result; of `summed`
/// a, b. Behind those of the result come those of what the product takes in.
pub(super) struct Product {
    pub a: Pointer,
    pub b: Pointer,
    pub to: Pointer,
    pub batch: Class,
    pub rows: Class,
    pub columns: Class,
    pub summed: Class,
}

/// What becomes of an entry of a product before it is stored; operands by their number among the pointers.
#[derive(Default)]
pub(super) struct Chain {
    pub steps: Vec<Then<usize>>,
    pub pointers: Vec<Pointer>,
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
        let product = self.classes(spec, [a, b], v, &[]);
        if let Some(lanes) = self.inside.as_ref().map(super::carry::Inside::lanes) {
            if product.is_layer(lanes) {
                self.layer(&product, &Chain::default(), v);
                return Ok(());
            }
            return self.fold(&product.fold(), v, steps);
        }
        if product.is_small() {
            return self.fold(&product.fold(), v, steps);
        }
        let parts = product.parts(self.target.unit);
        self.tiled(&product, &Chain::default(), parts, v, steps)
    }

    /// A product that takes in what follows it, if its kernel can.
    pub fn product_and(&mut self, tail: &Tail, steps: &mut Vec<Step>) -> Result<bool, Error> {
        let Op::Contract(spec, a, b) = &self.plan.program.node(tail.product).op else { return Ok(false) };
        let operands: Vec<ValueId> = tail.steps.iter().filter_map(|step| step.operand().copied()).collect();
        let mut number = 0..;
        let chain = Chain {
            steps: tail.steps.iter().map(|step| step.map(|_| number.next().unwrap_or(0))).collect(),
            pointers: operands.iter().map(|x| self.pointer(self.plan.view(*x))).collect(),
        };
        let product = self.classes(spec, [*a, *b], tail.stored, &operands);
        match self.inside.as_ref().map(super::carry::Inside::lanes) {
            Some(lanes) if product.is_layer(lanes) => self.layer(&product, &chain, tail.stored),
            None if !product.is_small() && product.parts(self.target.unit).count == 1 => {
                let parts = product.parts(self.target.unit);
                self.tiled(&product, &chain, parts, tail.stored, steps)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn classes(&self, spec: &Contraction, [a, b]: [ValueId; 2], v: ValueId, taken: &[ValueId]) -> Product {
        let (ta, tb) = (self.ty(a), self.ty(b));
        let taken: Vec<_> = taken.iter().map(|x| self.plan.view(*x)).collect();
        let (va, vb, to) = (self.plan.view(a), self.plan.view(b), self.plan.view(v));
        let mut p = Product {
            a: self.pointer(va),
            b: self.pointer(vb),
            to: self.pointer(to),
            batch: Class::new(3 + taken.len()),
            rows: Class::new(2 + taken.len()),
            columns: Class::new(2 + taken.len()),
            summed: Class::new(2),
        };
        let mut push = |size, in_a: Option<usize>, in_b: Option<usize>, out: Option<(usize, Dim)>| {
            let kept = |first: &[usize]| -> Vec<usize> {
                let also = out.map(|(_, d)| taken.iter().map(move |view| self.stride(view, d)));
                first.iter().copied().chain(out.map(|(z, _)| z)).chain(also.into_iter().flatten()).collect()
            };
            match (in_a, in_b, out) {
                (Some(x), Some(y), Some(_)) => p.batch.push(size, &kept(&[x, y])),
                (Some(x), None, Some(_)) => p.rows.push(size, &kept(&[x])),
                (None, Some(y), Some(_)) => p.columns.push(size, &kept(&[y])),
                (Some(x), Some(y), None) => p.summed.push(size, &[x, y]),
                _ => unreachable!("one-sided sums are taken before the product"),
            }
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
                (!spec.axes.contains(x)).then(|| (self.stride(to, d), d)),
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
            push(size, x.map(|p| p.1), y.map(|p| p.1), z.map(|(i, stride)| (stride, Dim::Shape(i))));
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
    fn tiled(
        &mut self,
        p: &Product,
        chain: &Chain,
        parts: Parts,
        v: ValueId,
        steps: &mut Vec<Step>,
    ) -> Result<(), Error> {
        let (m, n, batch) = (p.rows.len(), p.columns.len(), p.batch.len());
        let unit = self.target.unit;
        let mut kernel = Kernel::new(unit.map_or(THREADS, |unit| unit.threads));
        let [tm, tn] = parts.tile;
        kernel.kind = "products";
        (kernel.groups, kernel.cost) = (parts.count * parts.tiles, 2 * tm * tn * parts.length);
        kernel.of(self.plan.origin[v.index()]);
        let span = self.span(v);
        if parts.count == 1 {
            match unit {
                Some(unit) => p.unit_tile(&mut kernel, unit, parts, (&p.to, p.target()), chain),
                None => p.tile(&mut kernel, parts, (&p.to, p.target()), chain),
            }
            return self.add(kernel, span, steps);
        }
        let (cut, parts) = (parts, parts.count);
        let spare = self.memory.spare(parts * batch * m * n, span)?.pointer();
        let to = Target {
            batch: dense_class(&p.batch.sizes, m * n),
            rows: dense_class(&p.rows.sizes, n),
            columns: dense_class(&p.columns.sizes, 1),
        };
        match unit {
            Some(unit) => p.unit_tile(&mut kernel, unit, cut, (&spare, to), chain),
            None => p.tile(&mut kernel, cut, (&spare, to), chain),
        }
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

/// How a product is cut.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    /// Rows and columns of a tile.
    pub tile: [usize; 2],
    /// Tiles.
    pub tiles: usize,
    /// Parts of the sum.
    pub count: usize,
    /// The summed entries of a part.
    pub length: usize,
}

/// The strides of the result.
pub(super) struct Target {
    pub batch: Vec<usize>,
    pub rows: Vec<usize>,
    pub columns: Vec<usize>,
}

impl Product {
    /// Whether it is too small for tiles.
    fn is_small(&self) -> bool {
        self.rows.len() < 8 || self.columns.len() < 8 || self.summed.len() < 4
    }

    fn parts(&self, unit: Option<MatrixUnit>) -> Parts {
        let (m, n, k, batch) = (self.rows.len(), self.columns.len(), self.summed.len(), self.batch.len());
        let most = unit.map_or(64, |unit| (unit.side * units::ALONG).min(64));
        let tile =
            |n: usize, least: usize| [least, 32, 64].into_iter().find(|t| n <= t * 3 / 4).unwrap_or(64).min(most);
        let (tm, tn) = (tile(m, 16), tile(n, 32));
        let tiles = batch * m.div_ceil(tm) * n.div_ceil(tn);
        let wanted = (k / PART).clamp(1, BUSY.div_ceil(tiles)).max(k.div_ceil(LONGEST));
        let length = k.div_ceil(wanted).next_multiple_of(DEPTH);
        Parts { tile: [tm, tn], tiles, count: k.div_ceil(length), length }
    }

    fn target(&self) -> Target {
        Target {
            batch: self.batch.strides[2].clone(),
            rows: self.rows.strides[1].clone(),
            columns: self.columns.strides[1].clone(),
        }
    }

    /// As sums one by one.
    fn fold(&self) -> Fold {
        let zeros = |n: usize| vec![0; n];
        let (rows, columns) = (self.rows.sizes.len(), self.columns.sizes.len());
        let mut kept = Class::new(3);
        kept.sizes = [&self.batch.sizes[..], &self.rows.sizes, &self.columns.sizes].concat();
        let [a, b, to] = [0, 1, 2].map(|operand| self.batch.strides[operand].clone());
        kept.strides = vec![
            [a, self.rows.strides[0].clone(), zeros(columns)].concat(),
            [b, zeros(rows), self.columns.strides[0].clone()].concat(),
            [to, self.rows.strides[1].clone(), self.columns.strides[1].clone()].concat(),
        ];
        kept.sorted(2);
        Fold::new(
            Reduction::Sum,
            vec![self.a.clone(), self.b.clone()],
            self.to.clone(),
            (kept.sizes, kept.strides),
            (self.summed.sizes.clone(), self.summed.strides.clone()),
        )
    }
}

pub(super) fn guarded(condition: &str, what: &str) -> String {
    if condition.is_empty() { what.to_owned() } else { format!("if ({condition}) {{ {what} }}") }
}

impl Product {
    /// Where the tile of a workgroup begins, `row0` and `column0`; the number of its part first among its own, and the indices of its
    /// batch.
    pub fn corner(&self, kernel: &mut Kernel, cut: Parts) -> (Vec<String>, Vec<String>) {
        let Parts { tile: [tm, tn], count, .. } = cut;
        let (across, down) = (self.columns.len().div_ceil(tn), self.rows.len().div_ceil(tm));
        kernel.line("let g = group.x + p.o[0].x;");
        let place = split(kernel, "g", "g", &[count, self.batch.len(), down, across]);
        let index = split(kernel, &place[1], "z", &self.batch.sizes);
        kernel.line(format!("let row0 = {} * {tm}u;", place[2]));
        kernel.line(format!("let column0 = {} * {tn}u;", place[3]));
        (place, index)
    }

    /// An entry of one batch, row and column after a chain.
    pub fn after(
        &self,
        kernel: &mut Kernel,
        chain: &Chain,
        taken: &[Base],
        (batch, row, column): (&[String], &str, &str),
        mut value: String,
    ) -> String {
        for (i, step) in chain.steps.iter().enumerate() {
            let operand = step.operand().map(|x| {
                let (row, column) = (self.rows.along(kernel, 2 + x)(row), self.columns.along(kernel, 2 + x)(column));
                taken[*x].at(&format!("{} + {row} + {column}", offset(batch, &self.batch.strides[3 + x])))
            });
            let text = then(kernel, step, operand.as_deref(), &value, false);
            kernel.line(format!("let v{i} = {text};"));
            value = format!("v{i}");
        }
        value
    }
}

impl Class {
    /// How far an index reaches from the base of an operand.
    pub fn along(&self, kernel: &mut Kernel, operand: usize) -> impl Fn(&str) -> String + use<> {
        linear(kernel, &self.sizes, &self.strides[operand])
    }
}

/// How far an index reaches from its base: a function of the text where the index has several dimensions.
pub(super) fn linear(kernel: &mut Kernel, sizes: &[usize], strides: &[usize]) -> impl Fn(&str) -> String + use<> {
    let (stride, name) = match strides {
        [] => (Some(0), String::new()),
        all if all.iter().all(|s| *s == 0) => (Some(0), String::new()),
        [s] => (Some(*s), String::new()),
        _ => {
            let mut left = "i".to_owned();
            let mut terms = Vec::new();
            for (d, (n, s)) in sizes.iter().zip(strides).enumerate().rev() {
                let digit = if d == 0 { left.clone() } else { format!("{left} % {n}u") };
                terms.push(format!("({digit}) * {s}u"));
                left = format!("({left} / {n}u)");
            }
            (None, kernel.function("(i: u32) -> u32", &format!("return {};", terms.join(" + "))))
        }
    };
    move |index: &str| match stride {
        Some(0) => "0u".to_owned(),
        Some(1) => index.to_owned(),
        Some(s) => format!("{index} * {s}u"),
        None => format!("{name}({index})"),
    }
}

/// An entry after a step of a chain; of four neighbouring entries at once if `wide`.
pub(super) fn then(kernel: &mut Kernel, step: &Then<usize>, operand: Option<&str>, s: &str, wide: bool) -> String {
    let x = operand.unwrap_or_default();
    let spread = |text: &str| if wide { format!("vec4<f32>({text})") } else { text.to_owned() };
    let each = |name: &str, of: &str| {
        if wide {
            let parts: Vec<String> = (0..4).map(|e| format!("{name}({of}[{e}])")).collect();
            format!("vec4<f32>({})", parts.join(", "))
        } else {
            format!("{name}({of})")
        }
    };
    match step {
        Then::Add(_) => format!("{s} + {x}"),
        Then::Subtract(_) => format!("{s} - {x}"),
        Then::SubtractFrom(_) => format!("{x} - {s}"),
        Then::Multiply(_) => format!("{s} * {x}"),
        Then::Gate(_) => {
            let heaviside = kernel.call(Function::Heaviside);
            format!("{s} * {}", each(heaviside, x))
        }
        Then::Affine(k, c) => {
            let (k, c) = (*k as f32, *c as f32);
            let product = if k == -1.0 {
                format!("-{s}")
            } else if k == 1.0 {
                s.to_owned()
            } else {
                format!("{s} * {}", spread(&literal(kernel, k)))
            };
            if c == 0.0 { product } else { format!("{product} + {}", spread(&literal(kernel, c))) }
        }
        Then::Relu => {
            let relu = kernel.call(Function::Relu);
            each(relu, s)
        }
    }
}
