//! Text → program.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;

use ndarray::{ArrayD, IxDyn};

use super::super::{
    Axis, AxisId, AxisKind, Bits, Carry, Contraction, Draw, Law, Lifetime, Node, Op, Output, Pairing, ParameterInfo,
    Program, RegionId, Scan, ScanOutput, StateInfo, Table, Type, Unary, ValueId, verify,
};
use super::names::{BINARY, REDUCTION, UNARY, label};
use crate::source::Span;

/// A text that is no program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct TextError {
    /// The line, from 1; one past the last for what concerns the whole.
    pub line: usize,
    /// What was expected or found.
    pub why: String,
}

/// The program of a text as [`print`](super::print) writes it. Empty lines and lines that begin with `//` do not count.
///
/// # Errors
/// The first line that is not understood, or what the verifier says about the whole.
pub fn parse(text: &str) -> Result<Program, TextError> {
    let mut parser =
        Parser { program: Program { regions: vec![RegionId::ROOT], ..Program::default() }, axes: HashMap::new() };
    let mut line = 0;
    for (i, content) in text.lines().enumerate() {
        line = i + 1;
        let content = content.trim();
        if !content.is_empty() && !content.starts_with("//") {
            parser.line(content).map_err(|why| TextError { line, why })?;
        }
    }
    verify(&parser.program).map_err(|why| TextError { line: line + 1, why })?;
    Ok(parser.program)
}

type Parsed<T> = Result<T, String>;

struct Parser {
    program: Program,
    axes: HashMap<String, AxisId>,
}

/// The words of a line, from the first to the last.
struct Words<'a> {
    left: std::iter::Peekable<std::str::SplitWhitespace<'a>>,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        Self { left: text.split_whitespace().peekable() }
    }

    fn word(&mut self) -> Parsed<&'a str> {
        self.left.next().ok_or_else(|| "the line ends too early".to_owned())
    }

    /// Takes the word if it is next.
    fn take(&mut self, word: &str) -> bool {
        self.left.next_if_eq(&word).is_some()
    }

    fn expect(&mut self, word: &str) -> Parsed<()> {
        let found = self.word()?;
        if found == word { Ok(()) } else { Err(format!("expected `{word}`, found `{found}`")) }
    }

    fn number<T: FromStr>(&mut self) -> Parsed<T> {
        number(self.word()?)
    }

    fn list(&mut self) -> Parsed<Vec<usize>> {
        self.word()?.split(',').filter(|s| !s.is_empty()).map(number).collect()
    }

    fn value(&mut self) -> Parsed<ValueId> {
        handle(self.word()?, '%').map(ValueId)
    }

    fn region(&mut self) -> Parsed<RegionId> {
        handle(self.word()?, 'r').map(RegionId)
    }

    fn values(&mut self) -> Parsed<Vec<ValueId>> {
        let mut all = Vec::new();
        while self.left.peek().is_some() {
            all.push(self.value()?);
        }
        Ok(all)
    }
}

fn number<T: FromStr>(text: &str) -> Parsed<T> {
    text.parse().map_err(|_| format!("expected a number, found `{text}`"))
}

fn handle(text: &str, mark: char) -> Parsed<u32> {
    let digits = text.strip_prefix(mark).ok_or_else(|| format!("expected `{mark}` and a number, found `{text}`"))?;
    number(digits)
}

/// A name in quotes and the rest of the line.
fn quoted(text: &str) -> Parsed<(String, &str)> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<String>();
    match stream.next() {
        Some(Ok(name)) => Ok((name, &text[stream.byte_offset()..])),
        _ => Err(format!("expected a name in quotes, found `{text}`")),
    }
}

fn shape(text: &str) -> Parsed<Vec<usize>> {
    let inner = text.trim().strip_prefix('[').and_then(|s| s.strip_suffix(']'));
    let inner = inner.ok_or_else(|| format!("expected a shape, found `{text}`"))?;
    inner.split(',').map(str::trim).filter(|s| !s.is_empty()).map(number).collect()
}

impl Parser {
    fn line(&mut self, line: &str) -> Parsed<()> {
        if line.starts_with('%') {
            return self.node(line);
        }
        let (keyword, rest) = line.split_once(' ').ok_or_else(|| format!("`{line}` is no line of a program"))?;
        let mut words = Words::of(rest);
        match keyword {
            "axis" => {
                let name = words.word()?;
                let kind = match words.word()? {
                    "sample" => AxisKind::Sample,
                    "time" => AxisKind::Time,
                    "index" => AxisKind::Index,
                    other => return Err(format!("expected `sample`, `time` or `index`, found `{other}`")),
                };
                let size = words.number()?;
                let id = AxisId(self.program.axes.len() as u32);
                self.axes.insert(name.to_owned(), id);
                let name = name.split('#').next().unwrap_or(name).to_owned();
                self.program.axes.push(Axis { name, size, kind });
            }
            "parameter" | "state" => {
                let (name, rest) = quoted(rest)?;
                let (rest, over) = rest.split_once(" over ").unwrap_or((rest, ""));
                let shape = shape(rest)?;
                if keyword == "parameter" {
                    self.program.parameters.push(ParameterInfo { name, shape });
                } else {
                    let axes = over
                        .split_whitespace()
                        .map(|word| self.axes.get(word).copied().ok_or_else(|| format!("there is no axis `{word}`")));
                    let axes = axes.collect::<Parsed<Vec<_>>>()?;
                    self.program.states.push(StateInfo { name, axes, shape });
                }
            }
            "region" => {
                let own = words.region()?;
                words.expect("in")?;
                let parent = words.region()?;
                if own.index() != self.program.regions.len() || parent >= own {
                    return Err("regions stand in their order, after their parents".to_owned());
                }
                self.program.regions.push(parent);
            }
            "named" => {
                let (name, rest) = quoted(rest)?;
                self.output(Output::Named(name), &mut Words::of(rest))?;
            }
            "gradient" => {
                let i = words.number()?;
                self.output(Output::Gradient(i), &mut words)?;
            }
            "moved" => {
                let i = words.number()?;
                self.output(Output::Parameter(i), &mut words)?;
            }
            "next" => {
                let i = words.number()?;
                self.output(Output::State(i), &mut words)?;
            }
            other => return Err(format!("no line begins with `{other}`")),
        }
        Ok(())
    }

    fn output(&mut self, output: Output, words: &mut Words<'_>) -> Parsed<()> {
        words.expect("=")?;
        let v = self.earlier(words.value()?)?;
        self.program.outputs.push((output, v));
        Ok(())
    }

    fn earlier(&self, v: ValueId) -> Parsed<ValueId> {
        if v.index() < self.program.nodes.len() { Ok(v) } else { Err(format!("%{} is no earlier value", v.0)) }
    }

    fn axis(&self, name: &str) -> Parsed<AxisId> {
        self.axes.get(name).copied().ok_or_else(|| format!("there is no axis `{name}`"))
    }

    fn axes(&self, names: &str) -> Parsed<Vec<AxisId>> {
        names.split(',').map(|n| self.axis(n)).collect()
    }

    fn node(&mut self, line: &str) -> Parsed<()> {
        let (left, right) = line.split_once(" : ").ok_or("expected ` : ` and a type")?;
        let mut words = Words::of(left);
        let own = words.value()?;
        if own.index() != self.program.nodes.len() {
            return Err(format!("expected %{}, found %{}", self.program.nodes.len(), own.0));
        }
        words.expect("=")?;
        let (dims, region) = match right.rsplit_once(" in ") {
            Some((dims, region)) => (dims, RegionId(handle(region, 'r')?)),
            None => (right, RegionId::ROOT),
        };
        if region.index() >= self.program.regions.len() {
            return Err(format!("there is no region r{}", region.0));
        }
        let open = dims.find('[').ok_or("expected a shape")?;
        let axes = dims[..open].split_whitespace().map(|n| self.axis(n)).collect::<Parsed<Vec<_>>>()?;
        let ty = Type::new(axes, shape(&dims[open..])?);
        let op = self.op(&mut words, &ty)?;
        if let Some(rest) = words.left.next() {
            return Err(format!("nothing was expected after the operation, found `{rest}`"));
        }
        for v in op.operands() {
            self.earlier(v)?;
        }
        self.program.nodes.push(Node { op, ty, region, span: Span::NONE });
        Ok(())
    }

    fn op(&self, w: &mut Words<'_>, ty: &Type) -> Parsed<Op> {
        let name = w.word()?;
        if let Some((_, f)) = UNARY.iter().find(|(n, _)| *n == name) {
            return Ok(Op::Unary(*f, w.value()?));
        }
        if let Some((_, f)) = BINARY.iter().find(|(n, _)| *n == name) {
            return Ok(Op::Binary(*f, w.value()?, w.value()?));
        }
        if let Some((_, how)) = REDUCTION.iter().find(|(n, _)| *n == name) {
            let axes = if w.take("over") { self.axes(w.word()?)? } else { Vec::new() };
            let dims = if w.take("dims") { w.list()? } else { Vec::new() };
            return Ok(Op::Reduce(*how, axes, dims, w.value()?));
        }
        Ok(match name {
            "number" => Op::Number(Bits::new(w.number()?)),
            "table" => {
                let entries = std::iter::from_fn(|| w.left.next().map(number)).collect::<Parsed<Vec<f64>>>()?;
                let extents = self.program.extents(ty);
                let table = ArrayD::from_shape_vec(IxDyn(&extents), entries).map_err(|e| e.to_string())?;
                Op::Table(Table(Arc::new(table)))
            }
            "iota" => Op::Iota(self.axis(w.word()?)?),
            "eye" => Op::Eye(w.number()?),
            "parameter" => Op::Parameter(in_range(w.number()?, self.program.parameters.len())?),
            "state" => Op::State(in_range(w.number()?, self.program.states.len())?),
            "step" => Op::Step,
            "draw" => {
                let stream = w.number()?;
                let law = match w.word()? {
                    "normal" => Law::Normal,
                    "uniform" => Law::Uniform,
                    other => return Err(format!("expected `normal` or `uniform`, found `{other}`")),
                };
                let lifetime = match w.word()? {
                    "run" => Lifetime::Run,
                    "step" => Lifetime::Step,
                    other => return Err(format!("expected `run` or `step`, found `{other}`")),
                };
                let seed = if w.take("seed") { Some(w.number()?) } else { None };
                Op::Draw(Draw { stream, law, lifetime, seed })
            }
            "argument" => Op::Argument(w.region()?, w.number()?),
            "power" => Op::Unary(Unary::Power(w.number()?), w.value()?),
            "select" => Op::Select(w.value()?, w.value()?, w.value()?),
            "contract" => {
                let spec = self.contraction(w)?;
                Op::Contract(spec, w.value()?, w.value()?)
            }
            "cumulative" => {
                let axis = self.axis(w.word()?)?;
                let (reverse, exclusive) = (w.take("reverse"), w.take("exclusive"));
                Op::CumulativeSum { axis, reverse, exclusive, of: w.value()? }
            }
            "broadcast" => Op::Broadcast(w.value()?),
            "reshape" => Op::Reshape(w.value()?),
            "transpose" => Op::Transpose(w.list()?, w.value()?),
            "concat" => Op::Concat(w.number()?, w.values()?),
            "slice" => {
                let dim = w.number()?;
                w.expect("from")?;
                let start = w.number()?;
                w.expect("length")?;
                Op::Slice { dim, start, length: w.number()?, of: w.value()? }
            }
            "pad" => {
                let dim = w.number()?;
                w.expect("before")?;
                let before = w.number()?;
                w.expect("after")?;
                Op::Pad { dim, before, after: w.number()?, of: w.value()? }
            }
            "gather" => {
                let dim = w.number()?;
                w.expect("index")?;
                Op::Gather { dim, index: w.list()?, of: w.value()? }
            }
            "scatter" => {
                let dim = w.number()?;
                w.expect("index")?;
                let index = w.list()?;
                w.expect("size")?;
                Op::ScatterAdd { dim, index, size: w.number()?, of: w.value()? }
            }
            "rename" => Op::Rename { from: self.axis(w.word()?)?, to: self.axis(w.word()?)?, of: w.value()? },
            "at" => Op::At { axis: self.axis(w.word()?)?, index: w.number()?, of: w.value()? },
            "place" => Op::Place { axis: self.axis(w.word()?)?, index: w.number()?, of: w.value()? },
            "pick" => Op::Pick(self.pairing(w)?, w.value()?),
            "spread" => Op::Spread(self.pairing(w)?, w.value()?),
            "shift" => Op::Shift { axis: self.axis(w.word()?)?, by: w.number()?, fill: w.value()?, of: w.value()? },
            "scan" => Op::Scan(self.scan(w)?),
            "final" => self.scan_output(ScanOutput::Final(w.number()?), w)?,
            "stacked" => self.scan_output(ScanOutput::Stacked(w.number()?), w)?,
            "detach" => Op::Detach(w.value()?),
            "mark" => Op::Mark(w.number()?, w.value()?),
            "solve" => Op::Solve(w.value()?, w.value()?),
            "inverse" => Op::Inverse(w.value()?),
            "expm" => Op::Expm(w.value()?),
            other => return Err(format!("there is no operation `{other}`")),
        })
    }

    fn contraction(&self, w: &mut Words<'_>) -> Parsed<Contraction> {
        let text = w.word()?;
        let parts = text.split_once("->").and_then(|(ab, out)| ab.split_once(',').map(|(a, b)| [a, b, out]));
        let parts = parts.ok_or_else(|| format!("expected labels such as `ab,b->a`, found `{text}`"))?;
        let labels = |s: &str| {
            s.chars().map(|c| label(c).ok_or_else(|| format!("`{c}` is no label"))).collect::<Parsed<Vec<_>>>()
        };
        let axes = if w.take("over") { self.axes(w.word()?)? } else { Vec::new() };
        Ok(Contraction { a: labels(parts[0])?, b: labels(parts[1])?, out: labels(parts[2])?, axes })
    }

    fn pairing(&self, w: &mut Words<'_>) -> Parsed<Pairing> {
        let axes = [self.axis(w.word()?)?, self.axis(w.word()?)?];
        w.expect("as")?;
        let pairs = self.axis(w.word()?)?;
        w.expect("from")?;
        let starts = w.list()?;
        w.expect("length")?;
        let rows: Vec<_> = starts.into_iter().zip(w.list()?).collect();
        Ok(Pairing { axes, pairs, rows: rows.into() })
    }

    fn scan(&self, w: &mut Words<'_>) -> Parsed<Scan> {
        let region = w.region()?;
        if region.index() >= self.program.regions.len() {
            return Err(format!("there is no region r{}", region.0));
        }
        let axis = self.axis(w.word()?)?;
        let reverse = match w.word()? {
            "forward" => false,
            "backward" => true,
            other => return Err(format!("expected `forward` or `backward`, found `{other}`")),
        };
        let mut scan = Scan { region, axis, reverse, carries: Vec::new(), slices: Vec::new(), stacked: Vec::new() };
        while let Some(part) = w.left.next() {
            match part {
                "carry" => {
                    let c = Carry { init: w.value()?, argument: w.value()?, next: w.value()? };
                    self.earlier(c.argument)?;
                    scan.carries.push(c);
                }
                "slice" => {
                    let s = (w.value()?, self.earlier(w.value()?)?);
                    scan.slices.push(s);
                }
                "stack" => scan.stacked.push(w.value()?),
                other => return Err(format!("expected `carry`, `slice` or `stack`, found `{other}`")),
            }
        }
        Ok(scan)
    }

    fn scan_output(&self, which: ScanOutput, w: &mut Words<'_>) -> Parsed<Op> {
        Ok(Op::Output(self.earlier(w.value()?)?, which))
    }
}

fn in_range(i: usize, length: usize) -> Parsed<usize> {
    if i < length { Ok(i) } else { Err(format!("there is no number {i}")) }
}
