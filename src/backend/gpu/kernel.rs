//! The text of a kernel as it is written, and what a dispatch of it is told.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::functions::Function;
use crate::graph::ValueId;

/// Where numbers lie: a word of some memory, and what loop counters add to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    /// The memory.
    pub place: Place,
    /// The word.
    pub word: usize,
    /// What each loop counter adds, by depth.
    pub loops: Vec<(usize, usize)>,
    /// What each piece of the batch adds.
    pub piece: usize,
    /// Whether neighbouring samples lie side by side there, from the first of the piece on.
    pub lanes: bool,
}

/// A memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The range with this number, which all kernels see.
    Range(usize),
    /// The range with this number of those that hold numbers in half precision.
    Half(usize),
    /// What the invocations of a workgroup share.
    Shared,
}

/// What a dispatch is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Where an operand starts.
    Pointer(Pointer),
    /// A number.
    Number(u32),
    /// The counter of the loop at this depth.
    Counter(usize),
    /// The number of the first sample of the piece.
    First,
    /// Of a loop that is carried a part of its steps at a time, the first of them.
    Begin,
    /// And the one behind the last.
    End,
}

/// A pointer inside a kernel: the text of its first address.
#[derive(Clone, Debug)]
pub(super) struct Base {
    memory: String,
    address: String,
    half: bool,
}

impl Base {
    /// The number at an offset; its place as well, unless it is in half precision.
    pub fn at(&self, offset: &str) -> String {
        let place = format!("{}[{}{offset}]", self.memory, self.address);
        if self.half { format!("f32({place})") } else { place }
    }

    /// Stores a number at an offset.
    pub fn put(&self, offset: &str, number: &str) -> String {
        let number = if self.half { format!("f16({number})") } else { number.to_owned() };
        format!("{}[{}{offset}] = {number};", self.memory, self.address)
    }
}

/// The array that the invocations of a workgroup share in a carried loop.
pub(super) const SHARED: &str = "own";

/// A kernel that is being written.
///
/// A dispatch hands it a few words: the first workgroup, so that long work can be cut, and where every operand starts, so
/// that kernels that differ in places alone are one.
#[derive(Clone)]
pub(super) struct Kernel {
    /// Invocations of a workgroup.
    pub threads: usize,
    /// Workgroups.
    pub groups: usize,
    /// Operations of a workgroup, about.
    pub cost: usize,
    /// Bytes that the invocations of a workgroup share.
    pub shared: usize,
    /// The turns that an invocation takes in loops, all in all, at most.
    pub turns: usize,
    /// The loops around the place that is written: their indent, and how often an invocation comes by inside.
    around: Vec<(usize, usize)>,
    /// What it does, in a word.
    pub kind: &'static str,
    words: Vec<Word>,
    functions: BTreeSet<Function>,
    declarations: Vec<String>,
    lines: Vec<(String, Option<ValueId>)>,
    indent: usize,
    value: Option<ValueId>,
    carried: Option<Carried>,
    extensions: BTreeSet<&'static str>,
}

/// What a kernel that carries samples through a loop does otherwise than one that does a single piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Carried {
    /// The loops from this depth on are in the text: `step0`, `step1`, …
    pub depth: usize,
    /// The samples of a workgroup, the first of which is `lane0`.
    pub lanes: usize,
    /// The samples of the piece of the batch.
    pub batch: usize,
}

/// A kernel in full.
#[derive(Clone, Debug)]
pub(super) struct Text {
    /// The text.
    pub wgsl: String,
    /// What it does, in a word.
    pub kind: &'static str,
    /// The value that each line computes.
    pub values: Vec<Option<ValueId>>,
}

/// The words before these: the first workgroup.
pub(super) const OWN_WORDS: usize = 1;

/// The words that a dispatch can be told at most.
pub(super) const MOST_WORDS: usize = 256;

impl Kernel {
    /// A kernel with this many invocations in a workgroup.
    pub fn new(threads: usize) -> Self {
        Self {
            threads,
            groups: 1,
            cost: 1,
            shared: 0,
            turns: 0,
            around: Vec::new(),
            kind: "moves",
            words: Vec::new(),
            functions: BTreeSet::new(),
            declarations: Vec::new(),
            lines: Vec::new(),
            indent: 1,
            value: None,
            carried: None,
            extensions: BTreeSet::new(),
        }
    }

    /// A kernel that carries samples through a loop.
    pub fn carried(threads: usize, carried: Carried) -> Self {
        Self { carried: Some(carried), kind: "loops", ..Self::new(threads) }
    }

    /// How it carries samples through a loop, if so.
    pub fn carries(&self) -> Option<Carried> {
        self.carried
    }

    /// Leaves the piece of work at hand.
    pub fn leave(&self) -> &'static str {
        if self.carried.is_some() { "continue;" } else { "return;" }
    }

    /// A number that no declaration of this kernel has yet.
    pub fn fresh(&self) -> usize {
        self.declarations.len()
    }

    /// A kernel in which every invocation does one of `count` pieces of work, whose number is `i`.
    pub fn each(count: usize, cost: usize) -> Self {
        let threads = if count >= 1 << 14 { 256 } else { 64 };
        let mut kernel = Self::new(threads);
        kernel.groups = count.div_ceil(threads);
        kernel.cost = cost * threads;
        kernel.line(format!("let i = (group.x + p.o[0].x) * {threads}u + thread;"));
        // Told and not written down: kernels that differ in the count alone are one.
        let count = kernel.number(count as u32);
        kernel.line(format!("if (i >= {count}) {{ return; }}"));
        kernel
    }

    /// Begins a part of a carried loop: every invocation does some of `count` pieces of work.
    pub fn part(&mut self, name: &str, count: usize, cost: usize) {
        self.cost += self.times() * count * cost;
        let threads = self.threads;
        let header = format!("for (var {name} = thread; {name} < {count}u; {name} += {threads}u) {{");
        self.repeat(count.div_ceil(threads), header);
    }

    /// Passes over pieces of work for samples that there are not; the sample runs fastest in their numbers.
    pub fn guard(&mut self, name: &str, lanes: bool) {
        if let Some(c) = self.carried.filter(|c| lanes && !c.batch.is_multiple_of(c.lanes)) {
            self.line(format!("if (lane0 + {name} % {}u >= {}u) {{ continue; }}", c.lanes, c.batch));
        }
    }

    /// What follows computes this value.
    pub fn of(&mut self, value: ValueId) {
        self.value = Some(value);
    }

    /// Adds a line.
    pub fn line(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref();
        let closes = text.starts_with('}');
        if closes {
            self.indent -= 1;
            _ = self.around.pop_if(|(indent, _)| *indent == self.indent);
        }
        self.lines.push((format!("{}{text}", "  ".repeat(self.indent)), self.value));
        if text.ends_with('{') {
            self.indent += 1;
        }
    }

    /// Begins a loop of so many turns, at most.
    pub fn repeat(&mut self, turns: usize, header: impl AsRef<str>) {
        self.takes(turns);
        self.around.push((self.indent, self.times() * turns));
        self.line(header);
    }

    /// Notes the turns of a loop that is called, or is a line; the one in which its condition fails is one as well.
    pub fn takes(&mut self, turns: usize) {
        self.turns += self.times() * (turns + 1);
    }

    /// How often an invocation comes by the place that is written.
    fn times(&self) -> usize {
        self.around.last().map_or(1, |(_, times)| *times)
    }

    /// Adds a declaration outside of the function.
    pub fn declare(&mut self, text: impl Into<String>) {
        self.declarations.push(text.into());
    }

    /// The name of a function with these arguments and this body.
    pub fn function(&mut self, arguments: &str, body: &str) -> String {
        let text = format!("{arguments} {{ {body} }}");
        let known = self.declarations.iter().position(|d| d.strip_prefix("fn at").is_some_and(|d| d.ends_with(&text)));
        let number = known.unwrap_or(self.declarations.len());
        if known.is_none() {
            self.declarations.push(format!("fn at{number}{text}"));
        }
        format!("at{number}")
    }

    /// What the text asks of WGSL beyond its core.
    pub fn enable(&mut self, extension: &'static str) {
        self.extensions.insert(extension);
    }

    /// An array that the workgroup shares.
    pub fn share(&mut self, name: &str, element: &str, length: usize, bytes: usize) {
        self.shared += length * bytes;
        self.declare(format!("var<workgroup> {name}: array<{element}, {length}>;"));
    }

    /// The name of a function, which the text will hold.
    pub fn call(&mut self, function: Function) -> &'static str {
        if let Some(turns) = function.turns() {
            self.takes(turns);
        }
        function.require(&mut self.functions);
        function.name()
    }

    /// An operand.
    pub fn base(&mut self, pointer: &Pointer) -> Base {
        let mut outer = pointer.clone();
        let depth = self.carried.map_or(usize::MAX, |c| c.depth);
        let inner: Vec<_> = outer.loops.extract_if(.., |(d, _)| *d >= depth).collect();
        let (memory, mut address) = match pointer.place {
            Place::Range(r) => (format!("m{r}"), self.word(Word::Pointer(outer))),
            Place::Half(r) => (format!("h{r}"), self.word(Word::Pointer(outer))),
            Place::Shared => (SHARED.to_owned(), format!("{}u", pointer.word)),
        };
        for (d, stride) in inner {
            let _ = write!(address, " + step{d} * {stride}u");
        }
        if self.carried.is_some() && pointer.lanes && pointer.place != Place::Shared {
            address.push_str(" + lane0");
        }
        Base { memory, address, half: matches!(pointer.place, Place::Half(_)) }
    }

    /// A number that dispatches are told.
    pub fn number(&mut self, number: u32) -> String {
        self.word(Word::Number(number))
    }

    /// The counter of the loop at this depth.
    pub fn counter(&mut self, depth: usize) -> String {
        match self.carried {
            Some(c) if depth >= c.depth => format!("step{depth}"),
            _ => self.word(Word::Counter(depth)),
        }
    }

    /// The number of the first sample of the piece of the batch.
    pub fn first_sample(&mut self) -> String {
        self.word(Word::First)
    }

    /// The steps of a carried loop that are the kernel's part: the first, and the one behind the last.
    pub fn steps(&mut self) -> [String; 2] {
        [self.word(Word::Begin), self.word(Word::End)]
    }

    fn word(&mut self, told: Word) -> String {
        let place = self.words.iter().position(|w| *w == told).unwrap_or_else(|| {
            self.words.push(told);
            self.words.len() - 1
        });
        let word = OWN_WORDS + place;
        format!("p.o[{}].{}", word / 4, ["x", "y", "z", "w"][word % 4])
    }

    /// What a dispatch is told after the first workgroup.
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// The whole text, where so many ranges hold numbers in half precision.
    pub fn finish(&self, halves: usize) -> Text {
        let words = (OWN_WORDS + self.words.len()).div_ceil(4);
        let mut wgsl = String::new();
        let places = || {
            self.words
                .iter()
                .filter_map(|word| if let Word::Pointer(pointer) = word { Some(pointer.place) } else { None })
        };
        let mut extensions = self.extensions.clone();
        if places().any(|place| matches!(place, Place::Half(_))) {
            extensions.insert("f16");
        }
        // Writing to a string cannot fail.
        for extension in extensions {
            let _ = writeln!(wgsl, "enable {extension};");
        }
        let _ = writeln!(wgsl, "struct Words {{ o: array<vec4<u32>, {words}> }}");
        let _ = writeln!(wgsl, "@group(0) @binding(0) var<uniform> p: Words;");
        let _ = writeln!(wgsl, "@group(0) @binding(1) var<storage, read> feed: array<u32>;");
        let _ = writeln!(wgsl, "@group(0) @binding(2) var<storage, read_write> flags: array<atomic<u32>>;");
        let ranges: BTreeSet<(usize, String)> = places()
            .filter_map(|place| match place {
                Place::Half(r) => Some((3 + r, format!("h{r}: array<f16>"))),
                Place::Range(r) => Some((3 + halves + r, format!("m{r}: array<f32>"))),
                Place::Shared => None,
            })
            .collect();
        for (binding, array) in ranges {
            let _ = writeln!(wgsl, "@group(0) @binding({binding}) var<storage, read_write> {array};");
        }
        for text in &self.declarations {
            let _ = writeln!(wgsl, "{text}");
        }
        for function in &self.functions {
            wgsl.push_str(&function.text());
        }
        let _ = writeln!(wgsl, "@compute @workgroup_size({})", self.threads);
        let _ = writeln!(
            wgsl,
            "fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {{"
        );
        let mut values = vec![None; wgsl.lines().count()];
        for (line, value) in &self.lines {
            values.extend(line.lines().map(|_| *value));
            let _ = writeln!(wgsl, "{line}");
        }
        wgsl.push_str("}\n");
        Text { wgsl, kind: self.kind, values }
    }
}

/// A number as WGSL spells it. What is not finite, or too small for a literal, goes by its bits.
pub(super) fn literal(kernel: &mut Kernel, x: f32) -> String {
    if x.is_normal() || x == 0.0 {
        spelled(x)
    } else {
        format!("{}(0x{:x}u)", kernel.call(Function::FromBits), x.to_bits())
    }
}

/// A finite number as WGSL spells it.
pub(super) fn spelled(x: f32) -> String {
    if x.is_sign_negative() { format!("({x:?}f)") } else { format!("{x:?}f") }
}

/// Names of the indices of dimensions: `name0`, `name1`, …, taken from one running index, the last dimension fastest.
pub(super) fn split(kernel: &mut Kernel, running: &str, name: &str, sizes: &[usize]) -> Vec<String> {
    let names: Vec<String> = (0..sizes.len()).map(|d| format!("{name}{d}")).collect();
    let mut left = running.to_owned();
    for d in (0..sizes.len()).rev() {
        if d == 0 {
            kernel.line(format!("let {} = {left};", names[0]));
        } else {
            kernel.line(format!("let {} = {left} % {}u;", names[d], sizes[d]));
            kernel.line(format!("let {name}_{d} = {left} / {}u;", sizes[d]));
            left = format!("{name}_{d}");
        }
    }
    names
}

/// ` + i0 * 12u + i1`: what indices add to an address.
pub(super) fn offset(names: &[String], strides: &[usize]) -> String {
    let mut text = String::new();
    for (name, stride) in names.iter().zip(strides) {
        match stride {
            0 => {}
            1 => {
                let _ = write!(text, " + {name}");
            }
            s => {
                let _ = write!(text, " + {name} * {s}u");
            }
        }
    }
    text
}
