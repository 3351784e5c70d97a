//! How many points a program evaluates the functions of the text at.
//!
//! A point is a choice of arguments. A function whose arguments vary over samples and the times of a grid is evaluated at
//! samples × times points, inside of a scan once per step. Asking for a value and for derivatives at one point counts once.
//! What no output depends on is not counted, for machines leave it out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::call::Arguments;
use super::errors::Lowered;
use super::lowerer::Lowerer;
use super::value::{Function, Value};
use crate::graph::{AxisId, Op, Program, RegionId, Scan, ScanOutput, ValueId};
use crate::source::{Span, Symbol};

/// How many points of a function one run of a program evaluates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluations {
    /// The memory cell that holds their sum over the runs of all programs that train.
    pub cell: String,
    /// The points of one run.
    pub points: u64,
}

/// Which function of the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Counted {
    /// The one whose body begins at this offset.
    Text(u32),
    /// A net.
    Net(Symbol),
}

impl Counted {
    fn cell(&self) -> String {
        match self {
            Self::Text(place) => format!("evaluations.{place}"),
            Self::Net(name) => format!("evaluations.{name}"),
        }
    }
}

/// A part of an argument: a value of the graph, or the bits of a number that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Value(ValueId),
    Known(u64),
}

/// A function at its arguments.
#[derive(Debug)]
pub struct Call {
    function: Counted,
    /// The scope that the function was written in, which holds what its text refers to.
    scope: usize,
    /// The copies of parameters at which nets stand.
    copies: String,
    arguments: Vec<Part>,
    result: Vec<ValueId>,
}

/// The memory cell of the number of points at which a function was evaluated; none for one that is not counted.
pub(super) fn counting_cell(f: &Function<'_>) -> Option<String> {
    counted(f).map(|(function, _)| function.cell())
}

fn counted(f: &Function<'_>) -> Option<(Counted, usize)> {
    match f {
        Function::Closure { body, scope, .. } => Some((Counted::Text(body.span.start), Rc::as_ptr(scope) as usize)),
        Function::Network(net) => Some((Counted::Net(net.key().clone()), 0)),
        Function::Detached(inner) | Function::Copied(inner, _) | Function::Entrywise(inner) => counted(inner),
        _ => None,
    }
}

fn collect(value: &Value<'_>, found: &mut Vec<Part>) {
    match value {
        Value::Number(x) => found.push(Part::Known(x.to_bits())),
        Value::Tensor(v) | Value::State(v) | Value::Row(v) => found.push(Part::Value(*v)),
        Value::Time(moment) => found.push(Part::Value(moment.value)),
        // Of a whole path, what is known at the last time stands for all.
        Value::Process(p) => found.push(Part::Value(p.end)),
        Value::List(items) | Value::Tuple(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

impl<'a> Lowerer<'a> {
    /// The values of the graph in arguments, and the known numbers. A process stands at the time that is bound here.
    pub(super) fn parts_of(&mut self, given: &Arguments<'a>, span: Span) -> Lowered<Vec<Part>> {
        let mut found = Vec::new();
        for (_, value) in given {
            match (value, self.now.last().copied()) {
                (Value::Process(p), Some(now)) => found.push(Part::Value(self.sample_process(p, now, span)?)),
                _ => collect(value, &mut found),
            }
        }
        Ok(found)
    }

    /// Remembers a call. A function whose value is known before the run, or no number, is not evaluated.
    pub(super) fn note_call(&mut self, f: &Function<'a>, arguments: Vec<Part>, result: &Value<'a>) {
        let Some((function, scope)) = counted(f) else { return };
        let mut found = Vec::new();
        collect(result, &mut found);
        let result: Vec<ValueId> =
            found.into_iter().filter_map(|part| if let Part::Value(v) = part { Some(v) } else { None }).collect();
        if result.is_empty() {
            return;
        }
        let copies = if self.copied.is_empty() { String::new() } else { format!("{:?}", self.copied) };
        self.calls.push(Call { function, scope, copies, arguments, result });
    }
}

/// The points that one run of a program evaluates, by function. The program is as it was lowered, before any pass.
pub(super) fn evaluations(program: &Program, calls: &[Call]) -> Vec<Evaluations> {
    if calls.is_empty() {
        return Vec::new();
    }
    let reached = Reached::of(program);
    // Calls at one point are one evaluation: the text may ask for a value in one place and for a derivative in another.
    let mut points: BTreeMap<(&Counted, usize, &str, Vec<Part>), u64> = BTreeMap::new();
    for call in calls {
        let values = call.arguments.iter().filter_map(|part| if let Part::Value(v) = part { Some(*v) } else { None });
        let marked = values.clone().filter(|v| matches!(program.node(*v).op, Op::Mark(..)));
        if !call.result.iter().copied().chain(marked).any(|v| reached.values.contains(&v)) {
            continue;
        }
        let arguments = call.arguments.iter().map(|part| match part {
            Part::Value(v) => Part::Value(bare(program, *v)),
            known @ Part::Known(_) => *known,
        });
        let key = (&call.function, call.scope, call.copies.as_str(), arguments.collect());
        let count = reached.count(program, values.chain(call.result.iter().copied()));
        let known = points.entry(key).or_default();
        *known = count.max(*known);
    }
    let mut sums: BTreeMap<&Counted, u64> = BTreeMap::new();
    for ((function, ..), count) in points {
        *sums.entry(function).or_default() += count;
    }
    sums.into_iter().map(|(function, points)| Evaluations { cell: function.cell(), points }).collect()
}

/// The value under marks and copies over more axes.
fn bare(program: &Program, mut v: ValueId) -> ValueId {
    loop {
        v = match program.node(v).op {
            Op::Mark(_, inner) | Op::Detach(inner) => inner,
            Op::Broadcast(inner) if program.node(inner).ty.shape == program.node(v).ty.shape => inner,
            _ => return v,
        };
    }
}

/// What the outputs of a program depend on.
struct Reached<'p> {
    values: BTreeSet<ValueId>,
    /// The scan that runs each region.
    scans: HashMap<RegionId, &'p Scan>,
}

impl<'p> Reached<'p> {
    fn of(program: &'p Program) -> Self {
        let scan = |op: &'p Op| if let Op::Scan(scan) = op { Some((scan.region, scan)) } else { None };
        let scans: HashMap<RegionId, &Scan> = program.nodes.iter().filter_map(|node| scan(&node.op)).collect();
        let mut values = BTreeSet::new();
        let mut open: Vec<ValueId> = program.outputs.iter().map(|(_, v)| *v).collect();
        while let Some(v) = open.pop() {
            if !values.insert(v) {
                continue;
            }
            match &program.node(v).op {
                // Of a loop, what an output or a step of the body asks for.
                Op::Output(of, which) => {
                    let Op::Scan(scan) = &program.node(*of).op else { continue };
                    match which {
                        ScanOutput::Final(k) => open.extend([scan.carries[*k].init, scan.carries[*k].next]),
                        ScanOutput::Stacked(k) => open.push(scan.stacked[*k]),
                    }
                }
                Op::Argument(region, k) => {
                    let Some(scan) = scans.get(region) else { continue };
                    match scan.carries.get(*k) {
                        Some(carry) => open.extend([carry.init, carry.next]),
                        None => open.extend(scan.slices.get(*k - scan.carries.len()).map(|slice| slice.0)),
                    }
                }
                op => op.for_each_operand(|x| open.push(x)),
            }
        }
        Self { values, scans }
    }

    /// The product of the sizes of all axes over which these values vary and of the loops in which they are computed.
    fn count(&self, program: &Program, values: impl Iterator<Item = ValueId>) -> u64 {
        let mut axes: BTreeSet<AxisId> = BTreeSet::new();
        let mut region = RegionId::ROOT;
        for v in values {
            let node = program.node(v);
            axes.extend(&node.ty.axes);
            if program.depth(node.region) > program.depth(region) {
                region = node.region;
            }
        }
        let mut count: u64 = axes.iter().map(|axis| program.axis(*axis).size as u64).product();
        while region != RegionId::ROOT {
            count *= self.scans.get(&region).map_or(1, |scan| program.axis(scan.axis).size as u64);
            region = program.regions[region.index()];
        }
        count
    }
}
