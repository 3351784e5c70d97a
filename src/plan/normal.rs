//! The form of a program that is laid out: only what is live, no `Detach`, scans whose outputs all vary over the tiled
//! axis or none, and contractions whose summed indices are in both operands.

use std::collections::HashMap;

use super::live::{Context, Live, context_of, live};
use crate::graph::{
    AxisId, Carry, Contraction, Node, Op, Program, Reduction, RegionId, Scan, ScanOutput, Type, ValueId,
};

/// A program and whence its values stem.
#[derive(Clone, Debug)]
pub struct Normal {
    /// The program.
    pub program: Program,
    /// For each of its values, the value of the program it was made from.
    pub origin: Vec<ValueId>,
}

struct Rebuild<'a> {
    from: &'a Program,
    live: Live,
    out: Program,
    origin: Vec<ValueId>,
    values: HashMap<(ValueId, Context), ValueId>,
    regions: HashMap<(RegionId, Context), RegionId>,
}

/// Brings a program into normal form.
pub(super) fn normalise(program: &Program, tile: Option<AxisId>) -> Normal {
    let mut r = Rebuild {
        from: program,
        live: live(program, tile),
        out: Program {
            axes: program.axes.clone(),
            nodes: Vec::new(),
            regions: vec![RegionId::ROOT],
            parameters: program.parameters.clone(),
            states: program.states.clone(),
            outputs: Vec::new(),
        },
        origin: Vec::new(),
        values: HashMap::new(),
        regions: HashMap::new(),
    };
    for i in 0..program.nodes.len() {
        let v = ValueId(i as u32);
        for context in Context::ALL {
            if r.live.has(v, context) {
                r.copy(v, context);
            }
        }
    }
    r.out.outputs = program.outputs.iter().map(|(o, v)| (o.clone(), r.values[&(*v, Context::Root)])).collect();
    Normal { program: r.out, origin: r.origin }
}

impl Rebuild<'_> {
    fn value(&self, v: ValueId, context: Context) -> ValueId {
        self.values[&(v, context_of(self.from, v, context))]
    }

    fn region(&mut self, region: RegionId, context: Context) -> RegionId {
        if region == RegionId::ROOT {
            return region;
        }
        if let Some(r) = self.regions.get(&(region, context)) {
            return *r;
        }
        let parent = self.from.regions[region.index()];
        let parent = self.region(parent, context);
        self.out.regions.push(parent);
        let new = RegionId(self.out.regions.len() as u32 - 1);
        self.regions.insert((region, context), new);
        new
    }

    fn push(&mut self, op: Op, ty: Type, region: RegionId, origin: ValueId) -> ValueId {
        let span = self.from.node(origin).span;
        self.out.nodes.push(Node { op, ty, region, span });
        self.origin.push(origin);
        ValueId(self.out.nodes.len() as u32 - 1)
    }

    fn copy(&mut self, v: ValueId, context: Context) {
        let node = self.from.node(v);
        let region = self.region(node.region, context);
        let new = match &node.op {
            Op::Detach(a) | Op::Mark(_, a) => self.value(*a, context),
            Op::Argument(r, number) => {
                let r = self.region(*r, context);
                self.push(Op::Argument(r, *number), node.ty.clone(), region, v)
            }
            Op::Scan(scan) => {
                for inner in Context::ALL {
                    if let Some(asked) = self.live.outputs.get(&(v, inner)).cloned()
                        && (context == Context::Root || context == inner)
                    {
                        self.scan(v, scan, region, context, inner, asked);
                    }
                }
                return;
            }
            // Made together with their scans.
            Op::Output(..) => return,
            Op::Contract(spec, a, b) => {
                let (a, b) = (self.value(*a, context), self.value(*b, context));
                self.contract(spec, a, b, &node.ty, v)
            }
            op => {
                let op = op.map_operands(|x| self.value(x, context));
                self.push(op, node.ty.clone(), region, v)
            }
        };
        self.values.insert((v, context), new);
    }

    fn scan(
        &mut self,
        v: ValueId,
        scan: &Scan,
        region: RegionId,
        context: Context,
        inner: Context,
        asked: Vec<ScanOutput>,
    ) {
        let body = self.region(scan.region, inner);
        let mut carries = Vec::new();
        let mut finals = HashMap::new();
        for (i, c) in scan.carries.iter().enumerate() {
            if self.live.has(c.argument, inner) {
                finals.insert(i, carries.len());
                carries.push(Carry {
                    init: self.value(c.init, inner),
                    argument: self.value(c.argument, inner),
                    next: self.value(c.next, inner),
                });
            }
        }
        let slices = scan
            .slices
            .iter()
            .filter(|(_, argument)| self.live.has(*argument, inner))
            .map(|(outer, argument)| (self.value(*outer, inner), self.value(*argument, inner)))
            .collect();
        let mut stacked = Vec::new();
        let mut outputs = Vec::new();
        for which in asked {
            outputs.push(match which {
                ScanOutput::Final(i) => (which, ScanOutput::Final(finals[&i])),
                ScanOutput::Stacked(i) => {
                    stacked.push(self.value(scan.stacked[i], inner));
                    (which, ScanOutput::Stacked(stacked.len() - 1))
                }
            });
        }
        let op = Op::Scan(Scan { region: body, axis: scan.axis, reverse: scan.reverse, carries, slices, stacked });
        let new = self.push(op, Type::SCALAR, region, v);
        // Outputs stand right behind their scan; later ones of the same kind find them by these keys.
        for i in v.index()..self.from.nodes.len() {
            let old = ValueId(i as u32);
            if let Op::Output(s, which) = &self.from.node(old).op
                && *s == v
                && self.live.has(old, context)
                && let Some((_, to)) = outputs.iter().find(|(from, _)| from == which)
            {
                let ty = self.from.node(old).ty.clone();
                let made = self.push(Op::Output(new, *to), ty, region, old);
                self.values.insert((old, context), made);
            }
        }
    }

    /// Sums indices that one operand alone has before the product.
    fn contract(&mut self, spec: &Contraction, a: ValueId, b: ValueId, ty: &Type, origin: ValueId) -> ValueId {
        let mut spec = spec.clone();
        let (ta, tb) = (self.out.node(a).ty.clone(), self.out.node(b).ty.clone());
        let (la, lb) = (spec.a.clone(), spec.b.clone());
        let a = self.presum(a, &mut spec.a, &lb, &tb, &spec.out, &spec.axes, origin);
        let b = self.presum(b, &mut spec.b, &la, &ta, &spec.out, &spec.axes, origin);
        spec.axes.retain(|x| self.out.node(a).ty.varies(*x) && self.out.node(b).ty.varies(*x));
        let region = self.inner_region(&[a, b]);
        self.push(Op::Contract(spec, a, b), ty.clone(), region, origin)
    }

    #[expect(clippy::too_many_arguments, reason = "the two sides of a contraction, seen from one of them")]
    fn presum(
        &mut self,
        v: ValueId,
        labels: &mut Vec<u8>,
        others: &[u8],
        other: &Type,
        out: &[u8],
        axes: &[AxisId],
        origin: ValueId,
    ) -> ValueId {
        let t = self.out.node(v).ty.clone();
        let alone: Vec<usize> =
            (0..labels.len()).filter(|i| !others.contains(&labels[*i]) && !out.contains(&labels[*i])).collect();
        let over: Vec<_> = axes.iter().copied().filter(|x| t.varies(*x) && !other.varies(*x)).collect();
        if alone.is_empty() && over.is_empty() {
            return v;
        }
        let ty = Type {
            axes: t.axes.iter().copied().filter(|x| !over.contains(x)).collect(),
            shape: t.shape.iter().enumerate().filter(|(i, _)| !alone.contains(i)).map(|(_, n)| *n).collect(),
        };
        *labels = labels.iter().enumerate().filter(|(i, _)| !alone.contains(i)).map(|(_, l)| *l).collect();
        let region = self.inner_region(&[v]);
        self.push(Op::Reduce(Reduction::Sum, over, alone, v), ty, region, origin)
    }

    fn inner_region(&self, operands: &[ValueId]) -> RegionId {
        operands.iter().map(|v| self.out.node(*v).region).max_by_key(|r| self.out.depth(*r)).unwrap_or(RegionId::ROOT)
    }
}
