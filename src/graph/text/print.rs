//! Program → text.

use std::fmt::Write;

use super::super::{AxisId, AxisKind, Label, Law, Lifetime, Op, Output, Pairing, Program, RegionId, ScanOutput, Unary};
use super::names::{BINARY, REDUCTION, UNARY, letter, word};

/// The whole program; [`parse`](super::parse) gives it back, but for spans.
pub fn print(program: &Program) -> String {
    Printer { program, entries: usize::MAX }.program()
}

/// The program with only the first entries of large tables: to be read, not to be parsed.
pub fn summary(program: &Program) -> String {
    Printer { program, entries: 8 }.program()
}

struct Printer<'a> {
    program: &'a Program,
    entries: usize,
}

impl Printer<'_> {
    fn program(&self) -> String {
        let p = self.program;
        let mut lines = Vec::new();
        for (i, a) in p.axes.iter().enumerate() {
            let kind = match a.kind {
                AxisKind::Sample => "sample",
                AxisKind::Time => "time",
                AxisKind::Index => "index",
            };
            lines.push(format!("axis {} {kind} {}", self.axis(AxisId(i as u32)), a.size));
        }
        lines.extend(p.parameters.iter().map(|x| format!("parameter {:?} {:?}", x.name, x.shape)));
        lines.extend(p.states.iter().map(|x| {
            let over = x.axes.iter().fold(String::new(), |all, a| all + " " + &self.axis(*a));
            format!("state {:?} {:?}{}{over}", x.name, x.shape, if over.is_empty() { "" } else { " over" })
        }));
        for (i, parent) in p.regions.iter().enumerate().skip(1) {
            lines.push(format!("region r{i} in r{}", parent.0));
        }
        for (i, node) in p.nodes.iter().enumerate() {
            let mut line = format!("%{i} = {} :", self.op(&node.op));
            for a in &node.ty.axes {
                line.push(' ');
                line.push_str(&self.axis(*a));
            }
            // Writing to a string cannot fail.
            let _ = write!(line, " {:?}", node.ty.shape);
            if node.region != RegionId::ROOT {
                let _ = write!(line, " in r{}", node.region.0);
            }
            lines.push(line);
        }
        for (output, v) in &p.outputs {
            lines.push(match output {
                Output::Named(name) => format!("named {name:?} = %{}", v.0),
                Output::Gradient(i) => format!("gradient {i} = %{}", v.0),
                Output::Parameter(i) => format!("moved {i} = %{}", v.0),
                Output::State(i) => format!("next {i} = %{}", v.0),
            });
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn axis(&self, a: AxisId) -> String {
        let name: String = self.program.axis(a).name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let unique = self.program.axes.iter().filter(|b| b.name == self.program.axis(a).name).count() == 1;
        if unique { name } else { format!("{name}#{}", a.0) }
    }

    fn op(&self, op: &Op) -> String {
        let head = self.head(op);
        if matches!(op, Op::Scan(_)) {
            return head;
        }
        let mut text = head;
        op.for_each_operand(|v| {
            let _ = write!(text, " %{}", v.0);
        });
        text
    }

    fn head(&self, op: &Op) -> String {
        match op {
            Op::Number(x) => format!("number {:?}", x.value()),
            Op::Table(t) => {
                let mut text = "table".to_owned();
                for x in t.0.iter().take(self.entries) {
                    let _ = write!(text, " {x:?}");
                }
                if t.0.len() > self.entries {
                    let _ = write!(text, " … {} entries", t.0.len());
                }
                text
            }
            Op::Iota(a) => format!("iota {}", self.axis(*a)),
            Op::Eye(n) => format!("eye {n}"),
            Op::Parameter(i) => format!("parameter {i}"),
            Op::State(i) => format!("state {i}"),
            Op::Step => "step".to_owned(),
            Op::Draw(d) => {
                let law = match d.law {
                    Law::Normal => "normal",
                    Law::Uniform => "uniform",
                };
                let each = match d.lifetime {
                    Lifetime::Run => "run",
                    Lifetime::Step => "step",
                };
                let seed = d.seed.map_or(String::new(), |s| format!(" seed {s}"));
                format!("draw {} {law} {each}{seed}", d.stream)
            }
            Op::Argument(r, i) => format!("argument r{} {i}", r.0),
            Op::Unary(Unary::Power(n), _) => format!("power {n}"),
            Op::Unary(f, _) => word(&UNARY, f).to_owned(),
            Op::Binary(f, ..) => word(&BINARY, f).to_owned(),
            Op::Select(..) => "select".to_owned(),
            Op::Contract(spec, ..) => {
                let labels = |l: &[Label]| l.iter().map(|l| letter(*l)).collect::<String>();
                format!(
                    "contract {},{}->{}{}",
                    labels(&spec.a),
                    labels(&spec.b),
                    labels(&spec.out),
                    self.over(&spec.axes)
                )
            }
            Op::Reduce(how, axes, dims, _) => {
                let dims = if dims.is_empty() { String::new() } else { format!(" dims {}", list(dims)) };
                format!("{}{}{dims}", word(&REDUCTION, how), self.over(axes))
            }
            Op::CumulativeSum { axis, reverse, exclusive, .. } => {
                let reverse = if *reverse { " reverse" } else { "" };
                let exclusive = if *exclusive { " exclusive" } else { "" };
                format!("cumulative {}{reverse}{exclusive}", self.axis(*axis))
            }
            Op::Broadcast(_) => "broadcast".to_owned(),
            Op::Reshape(_) => "reshape".to_owned(),
            Op::Transpose(perm, _) => format!("transpose {}", list(perm)),
            Op::Concat(dim, _) => format!("concat {dim}"),
            Op::Slice { dim, start, length, .. } => format!("slice {dim} from {start} length {length}"),
            Op::Pad { dim, before, after, .. } => format!("pad {dim} before {before} after {after}"),
            Op::Gather { dim, index, .. } => format!("gather {dim} index {}", list(index)),
            Op::ScatterAdd { dim, index, size, .. } => format!("scatter {dim} index {} size {size}", list(index)),
            Op::Rename { from, to, .. } => format!("rename {} {}", self.axis(*from), self.axis(*to)),
            Op::At { axis, index, .. } => format!("at {} {index}", self.axis(*axis)),
            Op::Place { axis, index, .. } => format!("place {} {index}", self.axis(*axis)),
            Op::Pick(p, _) => format!("pick {}", self.pairing(p)),
            Op::Spread(p, _) => format!("spread {}", self.pairing(p)),
            Op::Shift { axis, by, .. } => format!("shift {} {by}", self.axis(*axis)),
            Op::Scan(s) => {
                let direction = if s.reverse { "backward" } else { "forward" };
                let mut text = format!("scan r{} {} {direction}", s.region.0, self.axis(s.axis));
                for c in &s.carries {
                    let _ = write!(text, " carry %{} %{} %{}", c.init.0, c.argument.0, c.next.0);
                }
                for (outer, argument) in &s.slices {
                    let _ = write!(text, " slice %{} %{}", outer.0, argument.0);
                }
                for v in &s.stacked {
                    let _ = write!(text, " stack %{}", v.0);
                }
                text
            }
            Op::Output(_, ScanOutput::Final(i)) => format!("final {i}"),
            Op::Output(_, ScanOutput::Stacked(i)) => format!("stacked {i}"),
            Op::Detach(_) => "detach".to_owned(),
            Op::Mark(i, _) => format!("mark {i}"),
            Op::Solve(..) => "solve".to_owned(),
            Op::Inverse(_) => "inverse".to_owned(),
            Op::Expm(_) => "expm".to_owned(),
        }
    }

    fn pairing(&self, p: &Pairing) -> String {
        let [first, second] = p.axes.map(|axis| self.axis(axis));
        let (starts, lengths): (Vec<usize>, Vec<usize>) = p.rows.iter().copied().unzip();
        format!("{first} {second} as {} from {} length {}", self.axis(p.pairs), list(&starts), list(&lengths))
    }

    fn over(&self, axes: &[AxisId]) -> String {
        if axes.is_empty() {
            return String::new();
        }
        format!(" over {}", axes.iter().map(|a| self.axis(*a)).collect::<Vec<_>>().join(","))
    }
}

fn list(items: &[usize]) -> String {
    items.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

/// Whether a character can stand in the name of an axis.
fn is_plain(c: char) -> bool {
    !c.is_whitespace() && !",[]#:%=".contains(c)
}
