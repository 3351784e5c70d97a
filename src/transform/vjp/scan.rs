//! The reverse of a scan is a scan in the other direction.

use std::collections::{BTreeMap, HashSet};

use super::{Deferred, Pending, Reverse, Waiting};
use crate::graph::{AxisId, Builder, Carry, Op, Scan, ScanOutput, Type, ValueId};
use crate::transform::activity::differentiable;
use crate::transform::mirror::Frame;
use crate::transform::names::names_axis;
use crate::transform::vjp::rules::contribution;

impl Reverse {
    /// Hands the cotangents of a scan's outputs (`(true, i)`: of final carry i, `(false, i)`: of stacked value i) to
    /// what the scan reads.
    ///
    /// The carries of the reverse loop are cotangents of carries. Forward values it needs are stacked by the forward
    /// scan and sliced here. Nothing is accumulated for values that no derivative carries from step to step, outside or in
    /// the body: their contributions are put off.
    pub(super) fn scan(
        &mut self,
        b: &mut Builder,
        id: ValueId,
        outputs: &BTreeMap<(bool, usize), ValueId>,
        pending: &mut Pending,
        deferred: &mut Vec<Deferred>,
    ) {
        let Op::Scan(scan) = b.op(id).clone() else { return };
        let kept: Vec<usize> = (0..scan.carries.len())
            .filter(|i| {
                let c = &scan.carries[*i];
                self.active[c.argument.index()] || (self.active[c.next.index()] && outputs.contains_key(&(true, *i)))
            })
            .collect();
        let region = self.mirror.open(b, id, &scan, kept.len());
        self.carried.push(self.carried(b, id, &scan, &kept));
        let mut inner = Pending::default();
        let mut inner_deferred = Vec::new();
        let mut arguments = Vec::new();
        for (n, i) in kept.iter().enumerate() {
            let ty = self.cotangent_type(b, scan.carries[*i].argument);
            let argument = b.argument(region, n, ty);
            arguments.push(argument);
            self.pass_on(b, scan.carries[*i].next, argument, &mut inner, &mut inner_deferred);
        }
        for ((is_final, i), g) in outputs {
            if !is_final {
                let g = self.mirror.slice(b, *g);
                self.pass_on(b, scan.stacked[*i], g, &mut inner, &mut inner_deferred);
            }
        }
        let (found, more) = self.walk(b, inner);
        inner_deferred.extend(more);

        let mut carries = Vec::new();
        for (i, argument) in kept.iter().zip(&arguments) {
            let c = &scan.carries[*i];
            let ty = b.ty(*argument).clone();
            let zero = b.filled(0.0, ty);
            let init = outputs.get(&(true, *i)).copied().unwrap_or(zero);
            let next = found.get(&c.argument).copied().unwrap_or(zero);
            carries.push(Carry { init, argument: *argument, next });
        }
        self.carried.pop();
        let frame = self.mirror.close();
        let own = b.scan(Scan {
            region,
            axis: scan.axis,
            reverse: !scan.reverse,
            carries,
            slices: frame.slices.clone(),
            stacked: Vec::new(),
        });
        for (n, i) in kept.iter().enumerate() {
            let g = b.output(own, ScanOutput::Final(n));
            self.pass_on(b, scan.carries[*i].init, g, pending, deferred);
        }
        self.after_loop(b, inner_deferred, &Loop { scan: &scan, frame: &frame, own }, pending, deferred);
    }

    /// The values of the body through which a derivative passes from step to step.
    ///
    /// The cotangent of any other value can wait until the loop is done: it is then made for all steps at once, and
    /// nothing in the loop is summed over samples for its sake. Outputs of inner scans, and what varies over the
    /// scan's own axis, are counted among the carried ones, since they cannot be taken out of the loop.
    fn carried(&self, b: &Builder, id: ValueId, scan: &Scan, kept: &[usize]) -> HashSet<ValueId> {
        let mut carried: HashSet<ValueId> = kept.iter().map(|i| scan.carries[*i].argument).collect();
        for v in (0..id.0).map(ValueId) {
            let node = b.program().node(v);
            if node.region != scan.region || !self.active[v.index()] {
                continue;
            }
            let mut any =
                matches!(node.op, Op::Output(..)) || node.ty.varies(scan.axis) || names_axis(&node.op, scan.axis);
            node.op.for_each_operand(|o| any |= carried.contains(&o) && self.active[o.index()]);
            if any {
                carried.insert(v);
            }
        }
        carried
    }

    /// Gives what was put off in the body, for all steps at once, and what follows from it.
    fn after_loop(
        &mut self,
        b: &mut Builder,
        inner: Vec<Deferred>,
        done: &Loop<'_>,
        pending: &mut Pending,
        deferred: &mut Vec<Deferred>,
    ) {
        let mut lifted = Pending::default();
        for mut d in inner {
            let renamed = step_axis(b, &d, done.scan);
            d.g = self.mirror.lift(b, done.frame, done.own, d.g, renamed);
            d.g = b.spread(d.g, &[renamed.unwrap_or(done.scan.axis)]);
            self.give_lifted(b, d, renamed, done, (&mut lifted, &mut *pending, &mut *deferred));
        }
        while let Some((v, Waiting::Value(g))) = lifted.0.pop_last() {
            b.span = b.program().node(v).span;
            if let Some((outer, _)) = done.scan.slices.iter().find(|(_, a)| *a == v) {
                self.pass_on(b, *outer, g, pending, deferred);
                continue;
            }
            let op = b.op(v).clone();
            for (slot, target) in op.operands().into_iter().enumerate() {
                if self.active[target.index()] && differentiable(&op, slot) {
                    let d = Deferred { op: op.clone(), result: v, slot, g, target };
                    self.give_lifted(b, d, None, done, (&mut lifted, &mut *pending, &mut *deferred));
                }
            }
        }
    }

    /// Gives a contribution whose cotangent is over all steps, or puts it off again with all that it needs taken out
    /// of the loop.
    fn give_lifted(
        &mut self,
        b: &mut Builder,
        d: Deferred,
        renamed: Option<AxisId>,
        done: &Loop<'_>,
        (lifted, pending, deferred): (&mut Pending, &mut Pending, &mut Vec<Deferred>),
    ) {
        let in_body = b.program().node(d.target).region == done.frame.source;
        if in_body || self.is_here(d.target) {
            let mut ty = self.cotangent_type(b, d.target);
            if in_body {
                ty = Type::new(ty.axes.into_iter().chain([renamed.unwrap_or(done.scan.axis)]), ty.shape);
            }
            let mirror = &mut self.mirror;
            let mut at = |b: &mut Builder, v: ValueId| mirror.lift(b, done.frame, done.own, v, renamed);
            let Some(c) = contribution(b, (&d.op, d.result), d.slot, d.g, &ty, &mut at) else { return };
            match renamed {
                Some(from) if in_body => {
                    let c = b.push(Op::Rename { from, to: done.scan.axis, of: c });
                    lifted.add(b, d.target, c);
                }
                _ if in_body => lifted.add(b, d.target, c),
                _ => pending.add(b, d.target, c),
            }
            return;
        }
        let mut lift = |v: ValueId| {
            if v == d.target { v } else { self.mirror.lift(b, done.frame, done.own, v, renamed) }
        };
        let op = d.op.map_operands(&mut lift);
        let result = lift(d.result);
        deferred.push(Deferred { op, result, slot: d.slot, g: d.g, target: d.target });
    }
}

/// A scan whose reverse loop is done.
struct Loop<'a> {
    scan: &'a Scan,
    frame: &'a Frame,
    /// The reverse loop.
    own: ValueId,
}

/// A fresh name for the steps if the scan's own axis means something else in this operation.
fn step_axis(b: &mut Builder, d: &Deferred, scan: &Scan) -> Option<AxisId> {
    let in_use = names_axis(&d.op, scan.axis)
        || d.op.operands().iter().chain([&d.result, &d.target, &d.g]).any(|v| b.ty(*v).varies(scan.axis));
    in_use.then(|| {
        let a = b.program().axis(scan.axis).clone();
        b.axis(format!("{}'", a.name), a.size, a.kind)
    })
}
