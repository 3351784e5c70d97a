//! Every operation's derivative, in both modes and composed, against central differences in f64.

#![allow(missing_docs, clippy::unwrap_used)]

mod graph_support;

use graph_support::{along, check, check_at};
use socrun::graph::{
    AxisId, AxisKind, Binary, Builder, Carry, Op, Pairing, Reduction, Scan, ScanOutput, Type, Unary, ValueId,
};
use socrun::transform::{jvp, vjp};

fn sample(b: &mut Builder) -> AxisId {
    b.axis("sample", 3, AxisKind::Sample)
}

fn time(b: &mut Builder) -> AxisId {
    b.axis("t", 4, AxisKind::Time)
}

#[test]
fn functions_of_one_number() {
    use Unary::*;
    for f in
        [Negate, Absolute, Exp, Reciprocal, Sin, Cos, Tanh, Sigmoid, Softplus, Relu, Erf, Power(3), Power(-2), Power(0)]
    {
        check(&format!("{f:?}"), &[&[5]], |b, p| b.unary(f, p[0]));
    }
    for f in [Log, SquareRoot] {
        check(&format!("{f:?}"), &[&[5]], |b, p| {
            let positive = b.unary(Absolute, p[0]);
            b.unary(f, positive)
        });
    }
    for f in [Sign, Heaviside, Floor] {
        check(&format!("{f:?}"), &[&[5]], |b, p| {
            let y = b.unary(f, p[0]);
            b.mul(y, p[0])
        });
    }
}

#[test]
fn functions_of_two_numbers_sum_over_what_an_operand_lacks() {
    use Binary::*;
    for f in [Add, Subtract, Multiply, Divide, Power, Minimum, Maximum] {
        for (k, shapes) in [[&[3, 2][..], &[3, 2]], [&[3], &[3, 2]], [&[3, 2], &[3]], [&[3], &[4]]].iter().enumerate() {
            check(&format!("{f:?} {k}"), shapes, |b, p| {
                let s = sample(b);
                let t = time(b);
                let x = along(b, p[0], s);
                let y = along(b, p[1], if k == 3 { t } else { s });
                let (x, y) = (b.unary(Unary::Absolute, x), b.unary(Unary::Power(3), y));
                b.binary(f, x, y)
            });
        }
        check(&format!("{f:?} outer"), &[&[3, 2], &[2]], |b, p| {
            let s = sample(b);
            let x = along(b, p[0], s);
            let x = b.unary(Unary::Absolute, x);
            b.binary(f, x, p[1])
        });
        check(&format!("{f:?} reversed"), &[&[3, 2], &[]], |b, p| {
            let s = sample(b);
            let x = along(b, p[0], s);
            let a = b.unary(Unary::Absolute, p[1]);
            b.binary(f, a, x)
        });
    }
    for f in [Less, LessEqual, Equal] {
        check(&format!("{f:?}"), &[&[4], &[4]], |b, p| {
            let c = b.binary(f, p[0], p[1]);
            let y = b.push(Op::Select(c, p[0], p[1]));
            b.mul(y, y)
        });
    }
    check("select of a scalar", &[&[4], &[]], |b, p| {
        let zero = b.number(0.0);
        let c = b.binary(Less, p[0], zero);
        let s = b.mul(p[1], p[1]);
        b.push(Op::Select(c, s, p[0]))
    });
}

#[test]
fn contractions() {
    type Case<'a> = (&'a [usize], &'a [u8], &'a [usize], &'a [u8], &'a [u8]);
    let cases: [Case<'_>; 6] = [
        (&[2, 3], &[0, 1], &[3], &[1], &[0]),
        (&[2, 3], &[0, 1], &[3, 4], &[1, 2], &[2, 0]),
        (&[2, 3], &[0, 1], &[2, 3], &[0, 1], &[]),
        (&[2, 3], &[0, 1], &[2, 4], &[0, 2], &[0]),
        (&[2], &[0], &[3], &[1], &[1, 0]),
        (&[2, 3], &[0, 1], &[], &[], &[1]),
    ];
    for (k, (sx, lx, sy, ly, out)) in cases.into_iter().enumerate() {
        check(&format!("contraction {k}"), &[sx, sy], |b, p| b.contract(p[0], lx, p[1], ly, out, &[]));
        let (mut tx, mut ty) = (vec![3], vec![3]);
        tx.extend(sx);
        ty.extend(sy);
        for summed in [false, true] {
            check(&format!("contraction {k} over samples {summed}"), &[&tx, &ty], |b, p| {
                let s = sample(b);
                let (x, y) = (along(b, p[0], s), along(b, p[1], s));
                b.contract(x, lx, y, ly, out, if summed { std::slice::from_ref(&s) } else { &[] })
            });
            check(&format!("contraction {k} with one over samples {summed}"), &[&tx, sy], |b, p| {
                let s = sample(b);
                let x = along(b, p[0], s);
                b.contract(x, lx, p[1], ly, out, if summed { std::slice::from_ref(&s) } else { &[] })
            });
        }
    }
}

#[test]
fn reductions_and_running_sums() {
    for how in [Reduction::Sum, Reduction::Maximum, Reduction::LogSumExp] {
        for dims in [&[][..], &[0], &[1], &[0, 1]] {
            for over in [false, true] {
                check(&format!("{how:?} {dims:?} {over}"), &[&[3, 4, 2]], |b, p| {
                    let s = sample(b);
                    let x = along(b, p[0], s);
                    let y = b.reduce(how, x, if over { std::slice::from_ref(&s) } else { &[] }, dims);
                    b.mul(y, y)
                });
            }
        }
    }
    for (reverse, exclusive) in [(false, false), (false, true), (true, false), (true, true)] {
        check("running sum", &[&[4, 2]], |b, p| {
            let t = time(b);
            let x = along(b, p[0], t);
            let y = b.push(Op::CumulativeSum { axis: t, reverse, exclusive, of: x });
            b.mul(y, y)
        });
    }
}

/// Some pairs of two axes.
fn pairing(b: &mut Builder) -> Pairing {
    let axes = [b.axis("t", 4, AxisKind::Time), b.axis("s", 4, AxisKind::Time)];
    let pairs = b.axis("pairs", 5, AxisKind::Index);
    Pairing { axes, pairs, rows: [(0, 2), (2, 2), (0, 0), (3, 1)].into() }
}

#[test]
fn layout() {
    type Make = fn(&mut Builder, ValueId) -> ValueId;
    let cases: [(&str, &[usize], Make); 11] = [
        ("broadcast", &[], |b, x| b.push_typed(Op::Broadcast(x), Some(Type::shaped([2, 3])))),
        ("reshape", &[2, 3], |b, x| b.reshape(x, [3, 2])),
        ("transpose", &[2, 3, 4], |b, x| b.push(Op::Transpose(vec![2, 0, 1], x))),
        ("slice", &[2, 5], |b, x| b.push(Op::Slice { dim: 1, start: 1, length: 3, of: x })),
        ("pad", &[2, 3], |b, x| b.push(Op::Pad { dim: 1, before: 1, after: 2, of: x })),
        ("gather", &[2, 3], |b, x| b.push(Op::Gather { dim: 1, index: vec![2, 0, 2, 1], of: x })),
        ("scatter", &[2, 3], |b, x| b.push(Op::ScatterAdd { dim: 1, index: vec![2, 0, 2], size: 4, of: x })),
        ("pick", &[4, 4, 2], |b, x| {
            let pairing = pairing(b);
            let x = along(b, x, pairing.axes[0]);
            let x = along(b, x, pairing.axes[1]);
            b.push(Op::Pick(pairing, x))
        }),
        ("pick of one axis", &[4, 2], |b, x| {
            let pairing = pairing(b);
            let x = along(b, x, pairing.axes[1]);
            b.push(Op::Pick(pairing, x))
        }),
        ("spread", &[5, 2], |b, x| {
            let pairing = pairing(b);
            let x = along(b, x, pairing.pairs);
            b.push(Op::Spread(pairing, x))
        }),
        ("place", &[3], |b, x| {
            let t = time(b);
            b.push(Op::Place { axis: t, index: 2, of: x })
        }),
    ];
    for (name, shape, make) in cases {
        check(name, &[shape], |b, p| {
            let y = make(b, p[0]);
            b.unary(Unary::Power(2), y)
        });
    }
    check("concat", &[&[3, 2], &[4]], |b, p| {
        let s = sample(b);
        let x = along(b, p[0], s);
        let y = b.push(Op::Concat(0, vec![x, p[1], x]));
        b.mul(y, y)
    });
    check("at", &[&[4, 2]], |b, p| {
        let t = time(b);
        let x = along(b, p[0], t);
        let y = b.push(Op::At { axis: t, index: 1, of: x });
        b.mul(y, y)
    });
    check("rename", &[&[4, 2]], |b, p| {
        let t = time(b);
        let s = b.axis("s", 4, AxisKind::Time);
        let x = along(b, p[0], t);
        let y = b.push(Op::Rename { from: t, to: s, of: x });
        b.mul(y, x)
    });
    for by in [-5, -1, 0, 2] {
        check(&format!("shift {by}"), &[&[4, 2], &[3, 2]], |b, p| {
            let t = time(b);
            let s = sample(b);
            let (x, fill) = (along(b, p[0], t), along(b, p[1], s));
            let y = b.push(Op::Shift { axis: t, by, fill, of: x });
            b.mul(y, y)
        });
    }
}

#[test]
fn matrices() {
    let shifted = |b: &mut Builder, m: ValueId| {
        let eye = b.push(Op::Eye(3));
        let three = b.number(3.0);
        let d = b.mul(three, eye);
        b.add(m, d)
    };
    for shape in [&[3][..], &[3, 2]] {
        check("solve", &[&[3, 3], shape], |b, p| {
            let m = shifted(b, p[0]);
            b.push(Op::Solve(m, p[1]))
        });
        let mut rows = vec![3];
        rows.extend(shape);
        check("solve over samples", &[&[3, 3], &rows], |b, p| {
            let s = sample(b);
            let x = along(b, p[1], s);
            let m = shifted(b, p[0]);
            b.push(Op::Solve(m, x))
        });
        check("solve, matrix over samples", &[&[3, 3, 3], shape], |b, p| {
            let s = sample(b);
            let m = along(b, p[0], s);
            let m = shifted(b, m);
            b.push(Op::Solve(m, p[1]))
        });
    }
    check("inverse", &[&[3, 3, 3]], |b, p| {
        let s = sample(b);
        let m = along(b, p[0], s);
        let m = shifted(b, m);
        b.push(Op::Inverse(m))
    });
    check_at("expm", &[&[3, 3, 3]], 1.5, |b, p| {
        let s = sample(b);
        let m = along(b, p[0], s);
        b.push(Op::Expm(m))
    });
}

/// A loop over `t`: x ← tanh(W x + z) + bias·k, with x over samples, z over (t, sample), and its outputs
/// (last x, all x before the step, all W x).
fn rollout(b: &mut Builder, p: &[ValueId], reverse: bool) -> (ValueId, ValueId, ValueId, AxisId) {
    let s = sample(b);
    let t = time(b);
    let init = along(b, p[0], s);
    let z = along(b, p[1], t);
    let z = {
        let steps = b.push(Op::Iota(s));
        let one = b.number(1.0);
        let steps = b.add(steps, one);
        b.mul(z, steps)
    };
    let clock = b.push(Op::Iota(t));
    let region = b.region(socrun::graph::RegionId::ROOT);
    let x = b.argument(region, 0, Type::new([s], [2]));
    let zk = b.argument(region, 1, Type::new([s], [2]));
    let k = b.argument(region, 2, Type::SCALAR);
    let wx = b.contract(p[2], &[0, 1], x, &[1], &[0], &[]);
    let sum = b.add(wx, zk);
    let act = b.unary(Unary::Tanh, sum);
    let drift = b.mul(p[3], k);
    let next = b.add(act, drift);
    let scan = b.scan(Scan {
        region,
        axis: t,
        reverse,
        carries: vec![Carry { init, argument: x, next }],
        slices: vec![(z, zk), (clock, k)],
        stacked: vec![x, wx],
    });
    let last = b.output(scan, ScanOutput::Final(0));
    let path = b.output(scan, ScanOutput::Stacked(0));
    let products = b.output(scan, ScanOutput::Stacked(1));
    (last, path, products, s)
}

const ROLLOUT: [&[usize]; 4] = [&[3, 2], &[4, 2], &[2, 2], &[2]];

#[test]
fn scans_in_both_directions() {
    for reverse in [false, true] {
        check("final carry", &ROLLOUT, |b, p| rollout(b, p, reverse).0);
        check("stacked carry", &ROLLOUT, |b, p| rollout(b, p, reverse).1);
        check("stacked product", &ROLLOUT, |b, p| rollout(b, p, reverse).2);
        check("all of them", &ROLLOUT, |b, p| {
            let (last, path, products, _) = rollout(b, p, reverse);
            let both = b.mul(path, products);
            b.mul(both, last)
        });
    }
}

#[test]
fn a_weight_captured_by_a_body_gets_one_contraction_after_the_loop() {
    let mut b = Builder::new();
    let p = graph_support::inputs(&mut b, &ROLLOUT);
    let (last, _, _, s) = rollout(&mut b, &p, false);
    let loss = graph_support::weighted(&mut b, last, 1);
    let one = b.number(1.0);
    let g = vjp(&mut b, &[(loss, one)], &p)[2].expect("depends");
    let Op::Contract(spec, ..) = b.op(g) else { panic!("{:?}", b.op(g)) };
    assert_eq!(spec.axes.len(), 2, "summed over samples and steps at once");
    for node in &b.program().nodes {
        let in_body = node.region != socrun::graph::RegionId::ROOT;
        let sums = match &node.op {
            Op::Contract(spec, ..) => spec.axes.contains(&s),
            Op::Reduce(_, axes, ..) => axes.contains(&s),
            _ => false,
        };
        assert!(!(in_body && sums), "a body sums over samples");
    }
}

/// Two nested loops that share a weight: y ← W y + x inside x ← x/2 + sin(y).
fn nested(b: &mut Builder, p: &[ValueId]) -> ValueId {
    let s = sample(b);
    let t = time(b);
    let r = b.axis("r", 3, AxisKind::Time);
    let init = along(b, p[0], s);
    let z = along(b, p[1], r);
    let outer = b.region(socrun::graph::RegionId::ROOT);
    let x = b.argument(outer, 0, Type::new([s], [2]));
    let inner = b.region(outer);
    let y = b.argument(inner, 0, Type::new([s], [2]));
    let zk = b.argument(inner, 1, Type::shaped([2]));
    let wy = b.contract(p[2], &[0, 1], y, &[1], &[0], &[]);
    let act = b.unary(Unary::Tanh, wy);
    let with_x = b.mul(act, x);
    let with_z = b.add(with_x, zk);
    let next_y = b.mul(with_z, p[3]);
    let y_scan = b.scan(Scan {
        region: inner,
        axis: r,
        reverse: true,
        carries: vec![Carry { init: x, argument: y, next: next_y }],
        slices: vec![(z, zk)],
        stacked: vec![wy],
    });
    let y_last = b.output(y_scan, ScanOutput::Final(0));
    let all = b.output(y_scan, ScanOutput::Stacked(0));
    let total = b.sum(all, &[r], &[]);
    let half = b.number(0.5);
    let halved = b.mul(x, half);
    let wave = b.unary(Unary::Sin, y_last);
    let next = b.add(halved, wave);
    let w_total = b.mul(total, p[3]);
    let next = b.add(next, w_total);
    let x_scan = b.scan(Scan {
        region: outer,
        axis: t,
        reverse: false,
        carries: vec![Carry { init, argument: x, next }],
        slices: vec![],
        stacked: vec![y_last],
    });
    let last = b.output(x_scan, ScanOutput::Final(0));
    let path = b.output(x_scan, ScanOutput::Stacked(0));
    b.mul(path, last)
}

const NESTED: [&[usize]; 4] = [&[3, 2], &[3, 2], &[2, 2], &[2]];

#[test]
fn nested_scans() {
    check_at("nested", &NESTED, 0.5, nested);
}

#[test]
fn carries_that_swap_stay_or_come_from_outside() {
    check("swap", &[&[2], &[2], &[2]], |b, p| {
        let t = time(b);
        let region = b.region(socrun::graph::RegionId::ROOT);
        let args: Vec<_> = (0..4).map(|i| b.argument(region, i, Type::shaped([2]))).collect();
        let product = b.mul(args[0], args[2]);
        let scan = b.scan(Scan {
            region,
            axis: t,
            reverse: false,
            carries: vec![
                Carry { init: p[0], argument: args[0], next: args[1] },
                Carry { init: p[1], argument: args[1], next: product },
                Carry { init: p[1], argument: args[2], next: args[2] },
                Carry { init: p[0], argument: args[3], next: p[2] },
            ],
            slices: vec![],
            stacked: vec![args[3], p[2]],
        });
        let outs: Vec<_> = (0..4).map(|i| b.output(scan, ScanOutput::Final(i))).collect();
        let stacked = b.output(scan, ScanOutput::Stacked(0));
        let same = b.output(scan, ScanOutput::Stacked(1));
        let mut all = b.mul(outs[0], outs[1]);
        for o in [outs[2], outs[3], stacked, same] {
            all = b.add(all, o);
            all = b.mul(all, o);
        }
        all
    });
}

#[test]
fn a_body_may_sum_over_the_axis_of_its_own_scan() {
    check_at("own axis", &[&[2], &[4, 2]], 0.5, |b, p| {
        let t = time(b);
        let table = along(b, p[1], t);
        let region = b.region(socrun::graph::RegionId::ROOT);
        let x = b.argument(region, 0, Type::shaped([2]));
        let row = b.argument(region, 1, Type::shaped([2]));
        let all = b.mul(table, x);
        let wave = b.unary(Unary::Sin, all);
        let sum = b.sum(wave, &[t], &[]);
        let next = b.mul(sum, row);
        let scan = b.scan(Scan {
            region,
            axis: t,
            reverse: false,
            carries: vec![Carry { init: p[0], argument: x, next }],
            slices: vec![(table, row)],
            stacked: vec![],
        });
        b.output(scan, ScanOutput::Final(0))
    });
}

/// Contracts the gradient of the scalar `y` in `x` with a fixed direction.
fn gradient_of(b: &mut Builder, y: ValueId, x: ValueId) -> ValueId {
    let scalar = graph_support::weighted(b, y, 3);
    let one = b.number(1.0);
    vjp(b, &[(scalar, one)], &[x])[0].expect("depends")
}

#[test]
fn gradients_of_gradients() {
    check("second derivative", &[&[3], &[3, 3]], |b, p| {
        let wx = b.contract(p[1], &[0, 1], p[0], &[1], &[0], &[]);
        let act = b.unary(Unary::Tanh, wx);
        let square = b.mul(act, act);
        gradient_of(b, square, p[0])
    });
    check("forward over reverse", &[&[3], &[3, 3]], |b, p| {
        let wx = b.contract(p[1], &[0, 1], p[0], &[1], &[0], &[]);
        let act = b.unary(Unary::Softplus, wx);
        let g = gradient_of(b, act, p[0]);
        jvp(b, g, &[(p[0], p[0])]).expect("depends")
    });
    check("reverse over forward", &[&[3], &[3, 3]], |b, p| {
        let wx = b.contract(p[1], &[0, 1], p[0], &[1], &[0], &[]);
        let act = b.unary(Unary::Sigmoid, wx);
        let d = jvp(b, act, &[(p[0], p[0])]).expect("depends");
        gradient_of(b, d, p[1])
    });
    check("third derivative", &[&[3]], |b, p| {
        let s = b.unary(Unary::Sin, p[0]);
        let y = b.mul(s, p[0]);
        let g = gradient_of(b, y, p[0]);
        gradient_of(b, g, p[0])
    });
    check_at("log-sum-exp", &[&[3], &[3]], 0.7, |b, p| {
        let xy = b.mul(p[0], p[1]);
        let l = b.reduce(Reduction::LogSumExp, xy, &[], &[0]);
        gradient_of(b, l, p[0])
    });
}

#[test]
fn gradients_of_gradients_through_scans() {
    for wrt in 0..4 {
        check_at(&format!("rollout {wrt}"), &ROLLOUT, 0.6, |b, p| {
            let (last, path, _, _) = rollout(b, p, false);
            let y = b.mul(last, path);
            gradient_of(b, y, p[wrt])
        });
        check_at(&format!("nested {wrt}"), &NESTED, 0.4, |b, p| {
            let y = nested(b, p);
            gradient_of(b, y, p[wrt])
        });
    }
    check_at("reverse over forward", &ROLLOUT, 0.6, |b, p| {
        let (last, _, _, _) = rollout(b, p, true);
        let d = jvp(b, last, &[(p[0], p[0]), (p[2], p[2])]).expect("depends");
        gradient_of(b, d, p[2])
    });
}

#[test]
fn derivatives_inside_a_body() {
    // x ← x − ∇f(x)/5 with f(x) = Σ softplus(W x), W trained: the gradient of a step of descent.
    check("descent", &[&[3, 2], &[2, 2]], |b, p| {
        let s = sample(b);
        let t = time(b);
        let init = along(b, p[0], s);
        let region = b.region(socrun::graph::RegionId::ROOT);
        let x = b.argument(region, 0, Type::new([s], [2]));
        let wx = b.contract(p[1], &[0, 1], x, &[1], &[0], &[]);
        let f = b.unary(Unary::Softplus, wx);
        let f = b.sum(f, &[], &[0]);
        let ones = b.filled(1.0, Type::new([s], []));
        let g = vjp(b, &[(f, ones)], &[x])[0].expect("depends");
        let rate = b.number(0.2);
        let step = b.mul(rate, g);
        let next = b.sub(x, step);
        let scan = b.scan(Scan {
            region,
            axis: t,
            reverse: false,
            carries: vec![Carry { init, argument: x, next }],
            slices: vec![],
            stacked: vec![f],
        });
        b.output(scan, ScanOutput::Final(0))
    });
}

#[test]
fn a_batch_of_cotangents_and_tangents() {
    // The whole Jacobian of tanh(W x): rows by reverse mode, columns by forward mode.
    for forward in [false, true] {
        check("jacobian", &[&[3], &[3, 3]], |b, p| {
            let row = b.axis("row", 3, AxisKind::Index);
            let eye = b.push(Op::Eye(3));
            let units = along(b, eye, row);
            let wx = b.contract(p[1], &[0, 1], p[0], &[1], &[0], &[]);
            let y = b.unary(Unary::Tanh, wx);
            let j = if forward {
                jvp(b, y, &[(p[0], units)]).expect("depends")
            } else {
                vjp(b, &[(y, units)], &[p[0]])[0].expect("depends")
            };
            assert_eq!(*b.ty(j), Type::new([row], [3]));
            b.mul(j, j)
        });
    }
    check_at("through a scan", &ROLLOUT, 0.5, |b, p| {
        let row = b.axis("row", 2, AxisKind::Index);
        let eye = b.push(Op::Eye(2));
        let units = along(b, eye, row);
        let (last, _, _, s) = rollout(b, p, false);
        let all = b.sum(last, &[s], &[]);
        let j = vjp(b, &[(all, units)], &[p[2]])[0].expect("depends");
        b.mul(j, j)
    });
}

#[test]
fn nothing_passes_a_detached_value() {
    let mut b = Builder::new();
    let p = graph_support::inputs(&mut b, &[&[]]);
    let d = b.detach(p[0]);
    let y = b.mul(d, p[0]);
    let one = b.number(1.0);
    assert_eq!(vjp(&mut b, &[(y, one)], &[p[0]]), [Some(d)]);
    assert_eq!(jvp(&mut b, y, &[(p[0], one)]), Some(d));
    assert_eq!(vjp(&mut b, &[(d, one)], &[p[0]]), [None]);
    assert_eq!(jvp(&mut b, d, &[(p[0], one)]), None);
}

#[test]
fn inputs_are_independent_and_renamed_inputs_count() {
    let mut b = Builder::new();
    let p = graph_support::inputs(&mut b, &[&[]]);
    let y = b.unary(Unary::Sin, p[0]);
    let z = b.mul(y, p[0]);
    let one = b.number(1.0);
    let g = vjp(&mut b, &[(z, one)], &[p[0], y]);
    assert_eq!(g, [Some(y), Some(p[0])]);
    let t = time(&mut b);
    let s = b.axis("s", 4, AxisKind::Time);
    let x = b.push(Op::Iota(t));
    let x = b.mul(x, p[0]);
    let renamed = b.push(Op::Rename { from: t, to: s, of: x });
    let f = b.unary(Unary::Sin, renamed);
    let ones = b.filled(1.0, Type::new([s], []));
    let g = vjp(&mut b, &[(f, ones)], &[renamed])[0].expect("depends");
    assert_eq!(*b.ty(g), Type::new([s], []));
    let d = jvp(&mut b, f, &[(renamed, ones)]).expect("depends");
    assert_eq!(g, d);
}

#[test]
fn random_programs() {
    let mut with_gradient = 0;
    for seed in 1000..1150 {
        let program = graph_support::random::program_with(seed, false);
        let mut numbers = graph_support::Numbers(seed);
        let at: Vec<_> = graph_support::random::SHAPES.iter().map(|s| numbers.array(s)).collect();
        let found = graph_support::run(&program, &at);
        let mut loss = program.clone();
        loss.outputs.truncate(1);
        let expected = graph_support::differences(&loss, &at, 2e-4);
        for (value, (name, _)) in found.iter().zip(&program.outputs) {
            let socrun::graph::Output::Named(name) = name else { continue };
            let what = format!("seed {seed}, {name}");
            if let Some(i) = name.strip_prefix("gradient ") {
                with_gradient += 1;
                graph_support::close(&what, value, &expected[i.parse::<usize>().expect("a number")], 1e-6);
            } else if name == "tangent" {
                let slope = (&expected[0] * &at[0]).sum();
                graph_support::close(&what, value, &ndarray::arr0(slope).into_dyn(), 1e-6);
            }
        }
    }
    assert!(with_gradient > 200, "only {with_gradient} gradients compared");
}
