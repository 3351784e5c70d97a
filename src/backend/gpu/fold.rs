//! Sums, maxima and sums of products, in a fixed order.

use super::code::Step;
use super::compile::{Compiler, coalesce, dense};
use super::errors::Error;
use super::functions::Function;
use super::kernel::{Base, Kernel, Pointer, offset, split};
use crate::graph::{Reduction, ValueId};

/// Numbers that are added up before they join a longer sum.
const RUN: usize = 256;

/// Invocations that share a sum.
pub(super) const TREE: usize = 128;

/// Numbers that are worth a workgroup of their own, where there are few sums.
const PART: usize = 8 * TREE;

/// Workgroups that keep a card busy.
const BUSY: usize = 256;

/// A reduction of the product of its operands: one, or two.
pub(super) struct Fold {
    how: Reduction,
    from: Vec<Pointer>,
    to: Pointer,
    /// Sizes of what is kept, and the strides of the operands and of the result.
    kept: (Vec<usize>, Vec<Vec<usize>>),
    /// Sizes of what is reduced, and the strides of the operands.
    over: (Vec<usize>, Vec<Vec<usize>>),
}

impl Fold {
    /// A reduction; dimensions are joined where they can be.
    pub fn new(
        how: Reduction,
        from: Vec<Pointer>,
        to: Pointer,
        mut kept: (Vec<usize>, Vec<Vec<usize>>),
        mut over: (Vec<usize>, Vec<Vec<usize>>),
    ) -> Self {
        coalesce(&mut kept.0, &mut kept.1);
        coalesce(&mut over.0, &mut over.1);
        Self { how, from, to, kept, over }
    }

    /// The numbers of the result.
    pub fn count(&self) -> usize {
        self.kept.0.iter().product()
    }

    /// The numbers that make one of them.
    pub fn length(&self) -> usize {
        self.over.0.iter().product()
    }
}

impl Compiler<'_> {
    /// A reduction: by one invocation per result where results are many or short, else by a workgroup per result.
    pub fn fold(&mut self, fold: &Fold, v: ValueId, steps: &mut Vec<Step>) -> Result<(), Error> {
        let (count, length) = (fold.count(), fold.length());
        let span = self.span(v);
        let parts = (length / PART).clamp(1, BUSY.div_ceil(count.max(1)));
        if parts > 1 && self.inside.is_none() {
            // Few long sums: each in parts, and then those.
            let part = length.div_ceil(parts);
            let parts = length.div_ceil(part);
            let spare = self.memory.spare(parts * count, span)?.pointer();
            let mut kernel = Kernel::new(TREE);
            kernel.kind = "sums";
            (kernel.groups, kernel.cost) = (count * parts, 2 * part + 512);
            kernel.of(self.plan.origin[v.index()]);
            fold.together(&mut kernel, Some((part, &spare)));
            self.add(kernel, span, steps)?;
            let (kept, to) = (fold.kept.0.clone(), fold.kept.1[fold.from.len()].clone());
            let from = dense(&kept).into_iter().map(|s| s * parts).collect();
            let over = (vec![parts], vec![vec![1]]);
            let rest = Fold::new(fold.how, vec![spare], fold.to.clone(), (kept, vec![from, to]), over);
            return self.fold(&rest, v, steps);
        }
        let many = count >= 8192 && length < self.target.turns() / 2;
        let mut kernel = if length <= 64 || many || self.inside.is_some() {
            let mut kernel = self.start(count, 2 * length, v);
            kernel.of(self.plan.origin[v.index()]);
            fold.alone(&mut kernel);
            kernel
        } else {
            let mut kernel = Kernel::new(TREE);
            kernel.kind = "sums";
            (kernel.groups, kernel.cost) = (count, 2 * length + 512);
            kernel.of(self.plan.origin[v.index()]);
            fold.together(&mut kernel, None);
            kernel
        };
        kernel.of(self.plan.origin[v.index()]);
        self.add(kernel, span, steps)
    }
}

impl Fold {
    fn bases(&self, kernel: &mut Kernel) -> (Vec<Base>, Base) {
        (self.from.iter().map(|p| kernel.base(p)).collect(), kernel.base(&self.to))
    }

    /// The entry of the operands' product at an index.
    fn entry(&self, from: &[Base], kept: &[String], over: &[String]) -> String {
        let factor =
            |k: usize| from[k].at(&format!("{}{}", offset(kept, &self.kept.1[k]), offset(over, &self.over.1[k])));
        (0..from.len()).map(factor).collect::<Vec<_>>().join(" * ")
    }

    fn target(&self, to: &Base, kept: &[String]) -> String {
        to.at(&offset(kept, &self.kept.1[self.from.len()]))
    }

    fn start(&self, kernel: &mut Kernel) -> String {
        match self.how {
            Reduction::Sum => "0.0f".to_owned(),
            Reduction::Maximum | Reduction::LogSumExp => format!("{}(0xff800000u)", kernel.call(Function::FromBits)),
        }
    }

    /// One invocation, one result.
    fn alone(&self, kernel: &mut Kernel) {
        let (from, to) = self.bases(kernel);
        let kept = split(kernel, "i", "i", &self.kept.0);
        let over: Vec<String> = (0..self.over.0.len()).map(|d| format!("k{d}")).collect();
        let entry = self.entry(&from, &kept, &over);
        let target = self.target(&to, &kept);
        let loops = |kernel: &mut Kernel, body: &[String]| {
            for (name, n) in over.iter().zip(&self.over.0) {
                kernel.repeat(*n, format!("for (var {name} = 0u; {name} < {n}u; {name}++) {{"));
            }
            for line in body {
                kernel.line(line);
            }
            if let (Some(last), Some(n)) = (over.last(), self.over.0.last())
                && self.how != Reduction::Maximum
                && self.length() > RUN
                && *n > 1
            {
                kernel.line(format!(
                    "if (({last} & {}u) == {}u) {{ sum = sum + part; part = 0.0f; }}",
                    RUN - 1,
                    RUN - 1
                ));
            }
            for _ in &over {
                kernel.line("}");
            }
        };
        match self.how {
            Reduction::Sum => {
                kernel.line("var sum = 0.0f;");
                kernel.line("var part = 0.0f;");
                loops(kernel, &[format!("part = part + {entry};")]);
                kernel.line(format!("{target} = sum + part;"));
            }
            Reduction::Maximum => {
                let (start, maximum) = (self.start(kernel), kernel.call(Function::Maximum));
                kernel.line(format!("var top = {start};"));
                loops(kernel, &[format!("top = {maximum}(top, {entry});")]);
                kernel.line(format!("{target} = top;"));
            }
            Reduction::LogSumExp => {
                let (start, maximum) = (self.start(kernel), kernel.call(Function::Maximum));
                let (exp, log) = (kernel.call(Function::Exp), kernel.call(Function::Log));
                let finite = kernel.call(Function::IsFinite);
                kernel.line(format!("var top = {start};"));
                for (name, n) in over.iter().zip(&self.over.0) {
                    kernel.repeat(*n, format!("for (var {name} = 0u; {name} < {n}u; {name}++) {{"));
                }
                kernel.line(format!("top = {maximum}(top, {entry});"));
                for _ in &over {
                    kernel.line("}");
                }
                let leave = kernel.leave();
                kernel.line(format!("if (!{finite}(top)) {{ {target} = top; {leave} }}"));
                kernel.line("var sum = 0.0f;");
                kernel.line("var part = 0.0f;");
                loops(kernel, &[format!("part = part + {exp}({entry} - top);")]);
                kernel.line(format!("{target} = top + {log}(sum + part);"));
            }
        }
    }

    /// A workgroup, one result; or one part of so many numbers, which goes elsewhere.
    fn together(&self, kernel: &mut Kernel, part: Option<(usize, &Pointer)>) {
        let (from, to) = self.bases(kernel);
        kernel.share("parts", "f32", TREE, 4);
        kernel.line("let g = group.x + p.o[0].x;");
        let (kept, target) = match part {
            None => {
                let kept = split(kernel, "g", "i", &self.kept.0);
                kernel.line("let first = 0u;");
                kernel.line(format!("let end = {}u;", self.length()));
                (kept.clone(), self.target(&to, &kept))
            }
            Some((part, spare)) => {
                let parts = self.length().div_ceil(part);
                let spare = kernel.base(spare);
                kernel.line(format!("let r = g / {parts}u;"));
                kernel.line(format!("let first = (g % {parts}u) * {part}u;"));
                kernel.line(format!("let end = min(first + {part}u, {}u);", self.length()));
                (split(kernel, "r", "i", &self.kept.0), spare.at(" + g"))
            }
        };
        let share = part.map_or(self.length(), |(part, _)| part);
        match self.how {
            Reduction::Sum => {
                self.spread(kernel, (&from, &kept, share), "0.0f", |_, entry| format!("sum = sum + {entry};"));
                tree(kernel, "sum", |a, b| format!("{a} + {b}"));
                kernel.line(format!("if (thread == 0u) {{ {target} = parts[0]; }}"));
            }
            Reduction::Maximum => {
                self.top(kernel, (&from, &kept, share));
                kernel.line(format!("if (thread == 0u) {{ {target} = parts[0]; }}"));
            }
            Reduction::LogSumExp => {
                self.top(kernel, (&from, &kept, share));
                let (exp, log) = (kernel.call(Function::Exp), kernel.call(Function::Log));
                let finite = kernel.call(Function::IsFinite);
                kernel.line("let top = parts[0];");
                kernel.line("workgroupBarrier();");
                kernel.line("{");
                self.spread(kernel, (&from, &kept, share), "0.0f", |_, entry| {
                    format!("sum = sum + {exp}({entry} - top);")
                });
                tree(kernel, "sum", |a, b| format!("{a} + {b}"));
                kernel.line("}");
                kernel.line(format!(
                    "if (thread == 0u) {{ {target} = select(top, top + {log}(parts[0]), {finite}(top)); }}"
                ));
            }
        }
    }

    fn top(&self, kernel: &mut Kernel, what: (&[Base], &[String], usize)) {
        let (start, maximum) = (self.start(kernel), kernel.call(Function::Maximum));
        kernel.line("{");
        self.spread(kernel, what, &start, |_, entry| format!("sum = {maximum}(sum, {entry});"));
        tree(kernel, "sum", |a, b| format!("{maximum}({a}, {b})"));
        kernel.line("}");
    }

    /// `sum` becomes the part of each invocation: every [`TREE`]-th entry of the workgroup's share, in runs.
    fn spread(
        &self,
        kernel: &mut Kernel,
        (from, kept, share): (&[Base], &[String], usize),
        start: &str,
        join: impl Fn(&mut Kernel, &str) -> String,
    ) {
        let length = self.length();
        let runs = length > RUN * TREE && start == "0.0f";
        if runs {
            kernel.line("var total = 0.0f;");
        }
        kernel.line(format!("var sum = {start};"));
        kernel.repeat(share.div_ceil(TREE), format!("for (var k = first + thread; k < end; k += {TREE}u) {{"));
        let over = split(kernel, "k", "k", &self.over.0);
        let entry = self.entry(from, kept, &over);
        let line = join(kernel, &entry);
        kernel.line(line);
        if runs {
            let run = RUN * TREE;
            kernel.line(format!("if (k % {run}u >= {}u) {{ total = total + sum; sum = 0.0f; }}", run - TREE));
        }
        kernel.line("}");
        if runs {
            kernel.line("sum = sum + total;");
        }
    }
}

/// Joins the invocations' parts pairwise; the result stands in `parts[0]`.
pub(super) fn tree(kernel: &mut Kernel, own: &str, join: impl Fn(&str, &str) -> String) {
    kernel.line(format!("parts[thread] = {own};"));
    kernel.line("workgroupBarrier();");
    kernel.repeat(TREE.ilog2() as usize, format!("for (var half = {}u; half > 0u; half = half >> 1u) {{", TREE / 2));
    kernel.line(format!("if (thread < half) {{ parts[thread] = {}; }}", join("parts[thread]", "parts[thread + half]")));
    kernel.line("workgroupBarrier();");
    kernel.line("}");
}
