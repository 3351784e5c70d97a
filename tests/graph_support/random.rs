//! Random well-formed programs.

use socrun::graph::{
    AxisId, AxisKind, Binary, Builder, Carry, Contraction, Draw, Law, Lifetime, Op, Output, Program, Reduction,
    RegionId, Scan, ScanOutput, Type, Unary, ValueId, infer,
};
use socrun::transform::{jvp, vjp};

use super::{Numbers, along, inputs, weighted};

pub const SHAPES: [&[usize]; 4] = [&[2, 2], &[2], &[], &[3, 2]];

struct Maker {
    b: Builder,
    n: Numbers,
    axes: [AxisId; 3],
    detach: bool,
}

/// A program with a scalar output, its gradients, and some values; the parameters have the shapes [`SHAPES`].
pub fn program(seed: u64) -> Program {
    program_with(seed, true)
}

/// As [`program`]; without `Detach`, differences agree with derivatives.
pub fn program_with(seed: u64, detach: bool) -> Program {
    let mut b = Builder::new();
    let axes = [b.axis("sample", 3, AxisKind::Sample), b.axis("t", 4, AxisKind::Time), b.axis("i", 2, AxisKind::Index)];
    let p = inputs(&mut b, &SHAPES);
    let mut m = Maker { b, n: Numbers(seed), axes, detach };
    let mut pool = p.clone();
    pool.push(along(&mut m.b, p[3], axes[0]));
    pool.push(m.b.push(Op::Iota(axes[1])));
    pool.push(m.b.number(-1.0));
    pool.push(m.b.number(0.5));
    let noise = Draw { stream: 1, law: Law::Normal, lifetime: Lifetime::Step, seed: None };
    pool.push(m.b.push_typed(Op::Draw(noise), Some(Type::new([axes[0], axes[1]], [2]))));
    m.grow(&mut pool, 12);
    m.scan(&mut pool, RegionId::ROOT, 1);
    m.grow(&mut pool, 8);
    if m.n.below(2) == 0 {
        m.scan(&mut pool, RegionId::ROOT, 0);
        m.grow(&mut pool, 4);
    }
    let tail: Vec<ValueId> = pool[pool.len() - 6..].to_vec();
    let mut loss = m.b.number(0.0);
    for (i, v) in tail.iter().enumerate() {
        let w = weighted(&mut m.b, *v, i as u64);
        loss = m.b.add(loss, w);
    }
    let one = m.b.number(1.0);
    let mut outputs = vec![("loss".to_owned(), loss)];
    for (i, g) in vjp(&mut m.b, &[(loss, one)], &p).into_iter().enumerate() {
        outputs.extend(g.map(|g| (format!("gradient {i}"), g)));
    }
    if let Some(t) = jvp(&mut m.b, loss, &[(p[0], p[0])]) {
        outputs.push(("tangent".to_owned(), t));
    }
    outputs.push(("last".to_owned(), tail[5]));
    m.b.program_mut().outputs = outputs.into_iter().map(|(n, v)| (Output::Named(n), v)).collect();
    m.b.finish()
}

impl Maker {
    fn pick(&mut self, pool: &[ValueId]) -> ValueId {
        let recent = pool.len().min(8);
        if self.n.below(2) == 0 { pool[pool.len() - 1 - self.n.below(recent)] } else { pool[self.n.below(pool.len())] }
    }

    fn grow(&mut self, pool: &mut Vec<ValueId>, count: usize) {
        let goal = pool.len() + count;
        for _ in 0..20 * count {
            if pool.len() >= goal {
                break;
            }
            let op = self.op(pool);
            let given = if let Op::Broadcast(of) = &op {
                let axis = self.axes[self.n.below(3)];
                let t = self.b.ty(*of).clone();
                Some(Type::new(t.axes.into_iter().chain([axis]), t.shape))
            } else {
                None
            };
            let Ok(ty) = infer(self.b.program(), &op, given.as_ref()) else { continue };
            if self.b.program().extents(&ty).iter().product::<usize>() > 400 || ty.shape.len() > 2 {
                continue;
            }
            let v = self.b.push_typed(op, given);
            // Values stay of size one, so that nothing overflows and no digits are lost.
            let v = if self.n.below(3) == 0 { self.b.unary(Unary::Tanh, v) } else { v };
            pool.push(v);
        }
    }

    fn op(&mut self, pool: &[ValueId]) -> Op {
        let (x, y) = (self.pick(pool), self.pick(pool));
        let axis = self.axes[self.n.below(3)];
        let dim = self.n.below(2);
        match self.n.below(22) {
            0 => Op::Unary([Unary::Sin, Unary::Softplus, Unary::Sigmoid, Unary::Negate][self.n.below(4)], x),
            1 => Op::Unary(Unary::Negate, x),
            2 | 3 => Op::Binary(Binary::Add, x, y),
            4 => Op::Binary(Binary::Subtract, x, y),
            5..=9 => Op::Binary(Binary::Multiply, x, y),
            10 => {
                let d = self.b.unary(Unary::Softplus, y);
                let one = self.b.number(1.0);
                let d = self.b.add(d, one);
                Op::Binary(Binary::Divide, x, d)
            }
            11..=14 => {
                let (rx, ry) = (self.b.ty(x).shape.len(), self.b.ty(y).shape.len());
                let mut labels = [0, 1, 2];
                labels.rotate_left(self.n.below(3));
                let a: Vec<u8> = labels[..rx.min(3)].to_vec();
                labels.rotate_left(self.n.below(3));
                let b: Vec<u8> = labels[..ry.min(3)].to_vec();
                let mut out: Vec<u8> = (0..3).filter(|l| a.contains(l) || b.contains(l)).collect();
                out.retain(|_| self.n.below(2) == 0);
                if self.n.below(2) == 0 {
                    out.reverse();
                }
                let axes = if self.n.below(2) == 0 { vec![axis] } else { vec![] };
                Op::Contract(Contraction { a, b, out, axes }, x, y)
            }
            15 | 16 => Op::Reduce(Reduction::Sum, vec![axis], if self.n.below(2) == 0 { vec![0] } else { vec![] }, x),
            17 => Op::Reduce(Reduction::LogSumExp, vec![axis], vec![], x),
            18 => Op::Broadcast(x),
            19 if self.detach => Op::Detach(x),
            20 => Op::CumulativeSum { axis, reverse: dim == 0, exclusive: self.n.below(2) == 0, of: x },
            _ => Op::Transpose(vec![1, 0], x),
        }
    }

    fn scan(&mut self, pool: &mut Vec<ValueId>, parent: RegionId, deeper: usize) {
        let axis = self.axes[1];
        let region = self.b.region(parent);
        let fits = |b: &Builder, v: ValueId| !b.ty(v).varies(axis);
        let mut inits: Vec<ValueId> = pool.iter().copied().filter(|v| fits(&self.b, *v)).collect();
        while inits.len() > 2 {
            inits.remove(self.n.below(inits.len()));
        }
        let mut slices: Vec<ValueId> = pool.iter().copied().filter(|v| !fits(&self.b, *v)).collect();
        while slices.len() > 2 {
            slices.remove(self.n.below(slices.len()));
        }
        let mut body: Vec<ValueId> = pool.iter().copied().filter(|v| fits(&self.b, *v)).collect();
        let mut arguments = Vec::new();
        for (i, v) in inits.iter().chain(&slices).enumerate() {
            let t = self.b.ty(*v).clone();
            let ty = Type::new(t.axes.into_iter().filter(|a| *a != axis), t.shape);
            arguments.push(self.b.argument(region, i, ty));
        }
        body.extend(&arguments);
        self.grow(&mut body, 6);
        if deeper > 0 && self.n.below(2) == 0 {
            let old = self.axes[1];
            self.axes[1] = self.b.axis("r", 2, AxisKind::Time);
            let clock = self.b.push(Op::Iota(self.axes[1]));
            body.push(clock);
            self.scan(&mut body, region, 0);
            self.axes[1] = old;
        }
        self.grow(&mut body, 4);
        let mut carries = Vec::new();
        for (init, argument) in inits.iter().zip(&arguments) {
            let ty = self.b.ty(*argument).clone();
            let same: Vec<ValueId> = body.iter().copied().filter(|v| *self.b.ty(*v) == ty).collect();
            let next = same[same.len() - 1 - self.n.below(same.len().min(3))];
            let next = self.b.unary(Unary::Tanh, next);
            carries.push(Carry { init: *init, argument: *argument, next });
        }
        let stacked: Vec<ValueId> = body[body.len() - 4..]
            .iter()
            .copied()
            .filter(|v| fits(&self.b, *v))
            .chain(arguments.first().copied())
            .collect();
        let reverse = self.n.below(2) == 0;
        let finals = carries.len();
        let slices = slices.into_iter().zip(arguments[inits.len()..].iter().copied()).collect();
        let scan = self.b.scan(Scan { region, axis, reverse, carries, slices, stacked: stacked.clone() });
        for i in 0..finals {
            pool.push(self.b.output(scan, ScanOutput::Final(i)));
        }
        for i in 0..stacked.len() {
            pool.push(self.b.output(scan, ScanOutput::Stacked(i)));
        }
    }
}
