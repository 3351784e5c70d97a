//! Entries of two axes that belong to pairs.

use super::compile::{Compiler, Step};
use super::errors::Error;
use super::kernel::{Kernel, offset, split};
use crate::graph::{Pairing, ValueId};
use crate::plan::Dim;

impl Compiler<'_> {
    /// One entry per pair.
    pub fn pick(&mut self, p: &Pairing, of: ValueId, v: ValueId, steps: &mut Vec<Step>) -> Result<(), Error> {
        let plan = self.plan;
        let (from, to) = (plan.view(of), plan.view(v));
        let dims = self.dims_by(self.ty(v), to);
        let sizes: Vec<usize> = dims.iter().map(|d| d.1).collect();
        let mut kernel = Kernel::each(sizes.iter().product(), 1);
        kernel.of(plan.origin[v.index()]);
        let mut index = split(&mut kernel, "i", "i", &sizes);
        let pairs = self.dim(p.pairs);
        let place = dims.iter().position(|(d, _)| *d == pairs).expect("the result varies over pairs");
        let (source, target) = (kernel.base(&self.pointer(from)), kernel.base(&self.pointer(to)));
        let at = target.at(&offset(&index, &self.strides(to, &dims)));
        rows(&mut kernel, p);
        // The last row that starts at the pair or before it.
        kernel.line(format!("var row = 0u; var end = {}u;", p.rows.len()));
        kernel.line("while (end - row > 1u) {");
        kernel.line("let middle = (row + end) / 2u;");
        kernel.line(format!("if (firsts[middle] <= {}) {{ row = middle; }} else {{ end = middle; }}", index[place]));
        kernel.line("}");
        kernel.line(format!("let column = starts[row] + {} - firsts[row];", index[place]));
        let mut strides = self.strides(from, &dims);
        strides[place] = 0;
        strides.extend(p.axes.map(|axis| self.stride(from, self.dim(axis))));
        index.extend(["row".to_owned(), "column".to_owned()]);
        kernel.line(format!("{at} = {};", source.at(&offset(&index, &strides))));
        self.add(kernel, self.span(v), steps)
    }

    /// One entry per two indices.
    pub fn spread(&mut self, p: &Pairing, of: ValueId, v: ValueId, steps: &mut Vec<Step>) -> Result<(), Error> {
        let plan = self.plan;
        let (from, to) = (plan.view(of), plan.view(v));
        let dims = self.dims_by(self.ty(v), to);
        let sizes: Vec<usize> = dims.iter().map(|d| d.1).collect();
        let mut kernel = Kernel::each(sizes.iter().product(), 1);
        kernel.of(plan.origin[v.index()]);
        let mut index = split(&mut kernel, "i", "i", &sizes);
        let place = |dim: Dim| dims.iter().position(|(d, _)| *d == dim).expect("the result varies over both axes");
        let [row, column] = p.axes.map(|axis| index[place(self.dim(axis))].clone());
        let (source, target) = (kernel.base(&self.pointer(from)), kernel.base(&self.pointer(to)));
        let at = target.at(&offset(&index, &self.strides(to, &dims)));
        rows(&mut kernel, p);
        kernel.line("var x = 0.0f;");
        kernel.line(format!("let length = firsts[{row} + 1u] - firsts[{row}];"));
        kernel.line(format!("if ({column} >= starts[{row}] && {column} < starts[{row}] + length) {{"));
        kernel.line(format!("let pair = firsts[{row}] + {column} - starts[{row}];"));
        let mut strides = self.strides(from, &dims);
        strides.push(self.stride(from, self.dim(p.pairs)));
        index.push("pair".to_owned());
        kernel.line(format!("x = {};", source.at(&offset(&index, &strides))));
        kernel.line("}");
        kernel.line(format!("{at} = x;"));
        self.add(kernel, self.span(v), steps)
    }
}

/// The number of the first pair of each row, and the first column of each.
fn rows(kernel: &mut Kernel, p: &Pairing) {
    let mut firsts = vec![0];
    firsts.extend(p.rows.iter().scan(0, |end, row| {
        *end += row.1;
        Some(*end)
    }));
    let starts: Vec<usize> = p.rows.iter().map(|row| row.0).collect();
    for (name, list) in [("first", firsts), ("start", starts)] {
        let text: Vec<String> = list.iter().map(|x| format!("{x}u")).collect();
        kernel.declare(format!("const {name}_list = array<u32, {}>({});", list.len(), text.join(", ")));
        kernel.line(format!("var {name}s = {name}_list;"));
    }
}
