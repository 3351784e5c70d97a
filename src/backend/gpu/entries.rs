//! Values whose entries are entries of one operand, or zeros: an invocation for each.

use super::code::Step;
use super::compile::Compiler;
use super::errors::Error;
use super::kernel::{Base, Kernel, offset, split};
use crate::graph::ValueId;
use crate::plan::Dim;

/// A kernel with an invocation for each entry of a value.
pub(super) struct Entries {
    pub kernel: Kernel,
    /// The entry's place in memory.
    pub at: String,
    /// Its indices, which may be changed to those of the operand's entry, and the operand's strides along them.
    pub index: Vec<String>,
    pub strides: Vec<usize>,
    dims: Vec<Dim>,
    source: Base,
}

impl Entries {
    /// The place of a dimension among the indices.
    pub fn place(&self, dim: Dim) -> usize {
        self.dims.iter().position(|d| *d == dim).expect("the value varies over the dimension")
    }

    /// The operand's entry at the indices.
    pub fn entry(&self) -> String {
        self.source.at(&offset(&self.index, &self.strides))
    }
}

impl Compiler<'_> {
    /// The beginning of a kernel that makes entries of `v` from those of `of`.
    pub fn entries(&mut self, of: ValueId, v: ValueId) -> Entries {
        let plan = self.plan;
        let (from, to) = (plan.view(of), plan.view(v));
        let dims = self.dims_by(self.ty(v), to);
        let sizes: Vec<usize> = dims.iter().map(|d| d.1).collect();
        let mut kernel = self.start(sizes.iter().product(), 1, v);
        kernel.of(plan.origin[v.index()]);
        let index = split(&mut kernel, "i", "i", &sizes);
        let (source, target) = (kernel.base(&self.pointer(from)), kernel.base(&self.pointer(to)));
        let at = target.at(&offset(&index, &self.strides(to, &dims)));
        let strides = self.strides(from, &dims);
        Entries { kernel, at, index, strides, dims: dims.into_iter().map(|d| d.0).collect(), source }
    }

    /// The operand at `n` entries of a dimension from `before` on, zeros elsewhere.
    pub fn window(
        &mut self,
        dim: Dim,
        before: usize,
        n: usize,
        of: ValueId,
        v: ValueId,
        steps: &mut Vec<Step>,
    ) -> Result<(), Error> {
        let mut e = self.entries(of, v);
        let place = e.place(dim);
        let i = e.index[place].clone();
        e.index[place] = format!("({i} - {before}u)");
        let entry = e.entry();
        e.kernel.line("var x = 0.0f;");
        e.kernel.line(format!("if ({i} >= {before}u && {i} < {}u) {{", before + n));
        e.kernel.line(format!("x = {entry};"));
        e.kernel.line("}");
        e.kernel.line(format!("{} = x;", e.at));
        self.add(e.kernel, self.span(v), steps)
    }

    /// Every entry of a dimension as the sum of listed entries of the operand.
    pub fn listed(
        &mut self,
        dim: usize,
        entries: Vec<Vec<usize>>,
        of: ValueId,
        v: ValueId,
        steps: &mut Vec<Step>,
    ) -> Result<(), Error> {
        let mut e = self.entries(of, v);
        let place = e.place(Dim::Shape(dim));
        // The lists, one behind the other, and where each starts.
        let flat: Vec<String> = entries.iter().flatten().map(|i| format!("{i}u")).collect();
        let starts = entries.iter().scan(0, |end, list| {
            *end += list.len();
            Some(*end)
        });
        let starts: Vec<String> = std::iter::once(0).chain(starts).map(|s| format!("{s}u")).collect();
        e.kernel.line("var x = 0.0f;");
        if !flat.is_empty() {
            let number = e.kernel.fresh();
            e.kernel.declare(format!("const listed{number} = array<u32, {}>({});", flat.len(), flat.join(", ")));
            e.kernel.declare(format!("const starts{number} = array<u32, {}>({});", starts.len(), starts.join(", ")));
            e.kernel.line(format!("var entries = listed{number};"));
            e.kernel.line(format!("var ends = starts{number};"));
            let longest = entries.iter().map(Vec::len).max().unwrap_or(0);
            let each = format!("for (var k = ends[{0}]; k < ends[{0} + 1u]; k++) {{", e.index[place]);
            e.kernel.repeat(longest, each);
            e.index[place] = "entries[k]".to_owned();
            let entry = e.entry();
            e.kernel.line(format!("x = x + {entry};"));
            e.kernel.line("}");
        }
        e.kernel.line(format!("{} = x;", e.at));
        self.add(e.kernel, self.span(v), steps)
    }
}
