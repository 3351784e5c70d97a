//! The meaning of the graph: a plain evaluator in f64.
//!
//! In: a program, then a feed per run. Out: the outputs. Slow and obvious: what the fast backends are tested against.
//! May not know: any other backend.

mod contract;
mod elementwise;
mod layout;
mod linear;

use ndarray::{ArcArray, ArrayD, Axis, IxDyn};

use super::random;
use super::{Executor, Fault, Feed};
use crate::graph::{AxisId, Op, Program, RegionId, Scan, ScanOutput, Type, ValueId};

/// A value with the extents of its type: axes in the order of their handles, then the shape.
type Value = ArcArray<f64, IxDyn>;

/// The reference evaluator with a program loaded.
#[derive(Debug)]
pub struct Reference {
    program: Program,
    /// The values of each region, in order.
    members: Vec<Vec<ValueId>>,
    /// For each value, those that nothing needs after it.
    released: Vec<Vec<ValueId>>,
    constant: Vec<bool>,
}

impl Reference {
    /// Loads a program.
    pub fn new(program: Program) -> Self {
        let mut members = vec![Vec::new(); program.regions.len()];
        let mut constant = Vec::with_capacity(program.nodes.len());
        for (i, node) in program.nodes.iter().enumerate() {
            members[node.region.index()].push(ValueId(i as u32));
            constant.push(match &node.op {
                Op::Number(_) | Op::Table(_) | Op::Iota(_) | Op::Eye(_) => true,
                Op::Parameter(_)
                | Op::State(_)
                | Op::Step
                | Op::Draw(_)
                | Op::Argument(..)
                | Op::Scan(_)
                | Op::Output(..) => false,
                op => op.operands().iter().all(|v| constant[v.index()]),
            });
        }
        let released = releases(&program);
        Self { program, members, released, constant }
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    fn run(&self, feed: &Feed<'_>, first: Option<&mut Option<Fault>>) -> Vec<ArrayD<f64>> {
        let mut run =
            Run { machine: self, feed, values: vec![None; self.program.nodes.len()], stacks: Vec::new(), first };
        run.stacks.resize_with(self.program.nodes.len(), Vec::new);
        run.region(RegionId::ROOT);
        self.program.outputs.iter().map(|(_, v)| run.get(*v).to_owned()).collect()
    }
}

impl Executor for Reference {
    fn execute(&mut self, feed: &Feed<'_>) -> Result<Vec<ArrayD<f64>>, Fault> {
        let outputs = self.run(feed, None);
        let bad = outputs
            .iter()
            .zip(&self.program.outputs)
            .find_map(|(x, (_, v))| x.iter().find(|x| !x.is_finite()).map(|found| Fault { value: *v, found: *found }));
        let Some(mut fault) = bad else { return Ok(outputs) };
        // Only now is it worth looking at every value: the run is a function of the feed, so it can be repeated.
        let mut first = None;
        self.run(feed, Some(&mut first));
        if let Some(found) = first {
            fault = found;
        }
        Err(fault)
    }
}

struct Run<'a> {
    machine: &'a Reference,
    feed: &'a Feed<'a>,
    values: Vec<Option<Value>>,
    /// Outputs of finished scans: final carries, then stacked values.
    stacks: Vec<Vec<Value>>,
    first: Option<&'a mut Option<Fault>>,
}

impl Run<'_> {
    fn get(&self, v: ValueId) -> &Value {
        self.values[v.index()].as_ref().expect("operands are computed before and kept until their last use")
    }

    fn ty(&self, v: ValueId) -> &Type {
        &self.machine.program.node(v).ty
    }

    /// The value with the axes and, for a scalar, the shape of a larger type.
    fn spread(&self, v: ValueId, to: &Type) -> Value {
        layout::spread(self.get(v), self.ty(v), to, &self.machine.program.extents(to))
    }

    fn region(&mut self, region: RegionId) {
        let machine = self.machine;
        for v in &machine.members[region.index()] {
            if let Op::Scan(scan) = &machine.program.node(*v).op {
                self.scan(*v, scan);
            } else if !matches!(machine.program.node(*v).op, Op::Argument(..)) {
                let x = self.evaluate(*v);
                self.set(*v, x);
            }
            for dead in &machine.released[v.index()] {
                self.values[dead.index()] = None;
                self.stacks[dead.index()] = Vec::new();
            }
        }
    }

    fn set(&mut self, v: ValueId, x: Value) {
        let program = &self.machine.program;
        debug_assert_eq!(x.shape(), program.extents(&program.node(v).ty), "extents of {v:?} {:?}", program.node(v).op);
        if let Some(first) = &mut self.first
            && !self.machine.constant[v.index()]
            && first.as_ref().is_none_or(|f| v < f.value)
            && let Some(found) = x.iter().find(|x| !x.is_finite())
        {
            **first = Some(Fault { value: v, found: *found });
        }
        self.values[v.index()] = Some(x);
    }

    fn scan(&mut self, id: ValueId, scan: &Scan) {
        let size = self.machine.program.axis(scan.axis).size;
        let mut carries: Vec<Value> = scan.carries.iter().map(|c| self.get(c.init).clone()).collect();
        let mut stacked: Vec<Vec<Value>> = vec![Vec::new(); scan.stacked.len()];
        for step in 0..size {
            let k = if scan.reverse { size - 1 - step } else { step };
            for (c, x) in scan.carries.iter().zip(carries) {
                self.set(c.argument, x);
            }
            for (outer, argument) in &scan.slices {
                let at = position(self.ty(*outer), scan.axis);
                let x = self.get(*outer).index_axis(Axis(at), k).to_owned().into_shared();
                self.set(*argument, x);
            }
            self.region(scan.region);
            carries = scan.carries.iter().map(|c| self.get(c.next).clone()).collect();
            for (all, v) in stacked.iter_mut().zip(&scan.stacked) {
                all.push(self.get(*v).clone());
            }
        }
        let program = &self.machine.program;
        let mut outputs = carries;
        for (mut all, v) in stacked.into_iter().zip(&scan.stacked) {
            if scan.reverse {
                all.reverse();
            }
            let ty = self.ty(*v);
            let whole = Type::new(ty.axes.iter().copied().chain([scan.axis]), ty.shape.clone());
            let mut x = ArrayD::zeros(IxDyn(&program.extents(&whole)));
            for (k, entry) in all.into_iter().enumerate() {
                x.index_axis_mut(Axis(position(&whole, scan.axis)), k).assign(&entry);
            }
            outputs.push(x.into_shared());
        }
        self.stacks[id.index()] = outputs;
        for v in &self.machine.members[scan.region.index()] {
            self.values[v.index()] = None;
        }
    }

    fn evaluate(&self, v: ValueId) -> Value {
        let program = &self.machine.program;
        let node = program.node(v);
        let extents = program.extents(&node.ty);
        match &node.op {
            Op::Number(x) => ArcArray::from_elem(IxDyn(&[]), x.value()),
            Op::Table(t) => t.0.as_ref().to_shared(),
            Op::Iota(axis) => ArcArray::from_shape_fn(IxDyn(&[program.axis(*axis).size]), |i| i[0] as f64),
            Op::Eye(n) => ArcArray::from_shape_fn(IxDyn(&[*n, *n]), |i| f64::from(i[0] == i[1])),
            Op::Parameter(i) => self.feed.parameters[*i].to_shared(),
            Op::State(i) => self.feed.states[*i].to_shared(),
            Op::Step => ArcArray::from_elem(IxDyn(&[]), self.feed.step as f64),
            Op::Draw(draw) => {
                let entries = random::fill(program, draw, &node.ty, self.feed.seed, self.feed.step);
                ArcArray::from_shape_vec(IxDyn(&extents), entries).expect("a draw fills its extents")
            }
            Op::Argument(..) | Op::Scan(_) => unreachable!("set by the scan"),
            Op::Unary(f, x) => elementwise::unary(*f, self.get(*x)),
            Op::Binary(f, x, y) => elementwise::binary(*f, &self.spread(*x, &node.ty), &self.spread(*y, &node.ty)),
            Op::Select(c, x, y) => {
                let all = [*c, *x, *y].map(|v| self.spread(v, &node.ty));
                elementwise::select(&all[0], &all[1], &all[2])
            }
            Op::Contract(spec, x, y) => {
                let out = contract::contract(spec, (self.get(*x), self.ty(*x)), (self.get(*y), self.ty(*y)), &node.ty);
                out.into_shared()
            }
            Op::Reduce(how, axes, dims, x) => {
                let ty = self.ty(*x);
                let mut places: Vec<usize> = axes.iter().map(|a| position(ty, *a)).collect();
                places.extend(dims.iter().map(|d| ty.axes.len() + d));
                elementwise::reduce(*how, self.get(*x), &places)
            }
            Op::CumulativeSum { axis, reverse, exclusive, of } => {
                layout::cumulative_sum(self.get(*of), position(self.ty(*of), *axis), *reverse, *exclusive)
            }
            Op::Broadcast(x) => self.spread(*x, &node.ty),
            Op::Reshape(x) => {
                let flat: Vec<f64> = self.get(*x).iter().copied().collect();
                ArcArray::from_shape_vec(IxDyn(&extents), flat).expect("a reshape keeps the number of entries")
            }
            Op::Transpose(perm, x) => {
                let lead = node.ty.axes.len();
                let order: Vec<usize> = (0..lead).chain(perm.iter().map(|p| lead + p)).collect();
                self.get(*x).view().permuted_axes(IxDyn(&order)).to_owned().into_shared()
            }
            Op::Concat(dim, items) => {
                let parts: Vec<Value> = items
                    .iter()
                    .map(|v| {
                        let to = Type { axes: node.ty.axes.clone(), shape: self.ty(*v).shape.clone() };
                        self.spread(*v, &to)
                    })
                    .collect();
                layout::concat(&parts, node.ty.axes.len() + dim)
            }
            Op::Slice { dim, start, length, of } => {
                let index: Vec<usize> = (*start..start + length).collect();
                self.get(*of).select(Axis(node.ty.axes.len() + dim), &index).into_shared()
            }
            Op::Pad { dim, before, of, .. } => {
                let place = node.ty.axes.len() + dim;
                let index: Vec<usize> = (0..self.get(*of).shape()[place]).map(|i| i + before).collect();
                layout::scatter(self.get(*of), place, &index, &extents)
            }
            Op::Gather { dim, index, of } => self.get(*of).select(Axis(node.ty.axes.len() + dim), index).into_shared(),
            Op::ScatterAdd { dim, index, of, .. } => {
                layout::scatter(self.get(*of), node.ty.axes.len() + dim, index, &extents)
            }
            Op::Rename { from, to, of } => {
                let named: Vec<AxisId> = self.ty(*of).axes.iter().map(|a| if a == from { *to } else { *a }).collect();
                layout::sorted(self.get(*of), &named)
            }
            Op::At { axis, index, of } => {
                self.get(*of).index_axis(Axis(position(self.ty(*of), *axis)), *index).to_owned().into_shared()
            }
            Op::Place { axis, index, of } => {
                let place = position(&node.ty, *axis);
                let with_axis = self.get(*of).view().insert_axis(Axis(place)).to_owned().into_shared();
                layout::scatter(&with_axis, place, &[*index], &extents)
            }
            Op::Pick(p, of) => layout::pick(self.get(*of), self.ty(*of), p, &node.ty, &extents),
            Op::Spread(p, of) => layout::spread_pairs(self.get(*of), self.ty(*of), p, &node.ty, &extents),
            Op::Shift { axis, by, fill, of } => {
                let (fill, of) = (self.spread(*fill, &node.ty), self.spread(*of, &node.ty));
                layout::shift(&of, &fill, position(&node.ty, *axis), *by)
            }
            Op::Output(scan, which) => {
                let Op::Scan(s) = &program.node(*scan).op else { unreachable!("outputs are taken of scans") };
                let number = match which {
                    ScanOutput::Final(i) => *i,
                    ScanOutput::Stacked(i) => s.carries.len() + i,
                };
                self.stacks[scan.index()][number].clone()
            }
            Op::Detach(x) | Op::Mark(_, x) => self.get(*x).clone(),
            Op::Solve(m, x) => {
                let shape = self.ty(*m).shape.clone();
                let m = self.spread(*m, &Type { axes: node.ty.axes.clone(), shape });
                linear::solve(&m, &self.spread(*x, &node.ty), node.ty.axes.len())
            }
            Op::Inverse(m) => linear::inverse(self.get(*m)),
            Op::Expm(m) => linear::exponential(self.get(*m)),
        }
    }
}

fn position(ty: &Type, axis: AxisId) -> usize {
    ty.axes.iter().position(|a| *a == axis).expect("the value varies over the axis")
}

/// For each value, those of its region that nothing after it needs.
fn releases(program: &Program) -> Vec<Vec<ValueId>> {
    let mut scan_of = vec![None; program.regions.len()];
    for (i, node) in program.nodes.iter().enumerate() {
        if let Op::Scan(scan) = &node.op {
            scan_of[scan.region.index()] = Some(ValueId(i as u32));
        }
    }
    let mut last: Vec<Option<ValueId>> = vec![None; program.nodes.len()];
    let mut keep = vec![false; program.nodes.len()];
    for (_, v) in &program.outputs {
        keep[v.index()] = true;
    }
    for (i, node) in program.nodes.iter().enumerate() {
        if let Op::Scan(scan) = &node.op {
            // The scan itself reads these after its last value.
            scan.carries.iter().map(|c| &c.next).chain(&scan.stacked).for_each(|v| keep[v.index()] = true);
        }
        node.op.for_each_operand(|v| {
            let home = program.node(v).region;
            let mut user = Some(ValueId(i as u32));
            while let Some(u) = user
                && program.node(u).region != home
            {
                user = scan_of[program.node(u).region.index()];
            }
            last[v.index()] = last[v.index()].max(user);
        });
    }
    let mut released = vec![Vec::new(); program.nodes.len()];
    for (i, user) in last.iter().enumerate() {
        if let Some(user) = user
            && !keep[i]
        {
            released[user.index()].push(ValueId(i as u32));
        }
    }
    released
}
