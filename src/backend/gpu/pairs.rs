//! Entries of two axes that belong to pairs.

use super::code::Step;
use super::compile::Compiler;
use super::errors::Error;
use super::kernel::Kernel;
use crate::graph::{Pairing, ValueId};

impl Compiler<'_> {
    /// One entry per pair.
    pub fn pick(&mut self, p: &Pairing, of: ValueId, v: ValueId, steps: &mut Vec<Step>) -> Result<(), Error> {
        let mut e = self.entries(of, v);
        let place = e.place(self.dim(p.pairs));
        let pair = e.index[place].clone();
        rows(&mut e.kernel, p);
        // The last row that starts at the pair or before it.
        e.kernel.line(format!("var row = 0u; var end = {}u;", p.rows.len()));
        e.kernel.repeat(1 + p.rows.len().max(1).ilog2() as usize, "while (end - row > 1u) {");
        e.kernel.line("let middle = (row + end) / 2u;");
        e.kernel.line(format!("if (firsts[middle] <= {pair}) {{ row = middle; }} else {{ end = middle; }}"));
        e.kernel.line("}");
        e.kernel.line(format!("let column = starts[row] + {pair} - firsts[row];"));
        e.strides[place] = 0;
        e.strides.extend(p.axes.map(|axis| self.stride(self.plan.view(of), self.dim(axis))));
        e.index.extend(["row".to_owned(), "column".to_owned()]);
        e.kernel.line(format!("{} = {};", e.at, e.entry()));
        self.add(e.kernel, self.span(v), steps)
    }

    /// One entry per two indices.
    pub fn spread(&mut self, p: &Pairing, of: ValueId, v: ValueId, steps: &mut Vec<Step>) -> Result<(), Error> {
        let mut e = self.entries(of, v);
        let [row, column] = p.axes.map(|axis| e.index[e.place(self.dim(axis))].clone());
        rows(&mut e.kernel, p);
        e.kernel.line("var x = 0.0f;");
        e.kernel.line(format!("let length = firsts[{row} + 1u] - firsts[{row}];"));
        e.kernel.line(format!("if ({column} >= starts[{row}] && {column} < starts[{row}] + length) {{"));
        e.kernel.line(format!("let pair = firsts[{row}] + {column} - starts[{row}];"));
        e.strides.push(self.stride(self.plan.view(of), self.dim(p.pairs)));
        e.index.push("pair".to_owned());
        e.kernel.line(format!("x = {};", e.entry()));
        e.kernel.line("}");
        e.kernel.line(format!("{} = x;", e.at));
        self.add(e.kernel, self.span(v), steps)
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
        let number = kernel.fresh();
        kernel.declare(format!("const {name}_list{number} = array<u32, {}>({});", list.len(), text.join(", ")));
        kernel.line(format!("var {name}s = {name}_list{number};"));
    }
}
