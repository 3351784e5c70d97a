//! A device against the reference evaluator: every operation and programs put together at random. Without any adapter there
//! is nothing to test, and every test says so.
#![cfg(feature = "gpu")]

mod common;
mod operations;

use common::{bound, device};
use ndarray::{ArrayD, IxDyn};
use operations::{Bench, feed};
use socrun::backend::gpu::{
    Device, Error, Gpu, Kernel, MatrixUnit, NoDevice, NoHalf, NoUnits, OverLimit, Refused, wgsl_for,
};
use socrun::backend::reference::Reference;
use socrun::backend::{Executor, Fault, Lost};
use socrun::diagnostic::{Report, render};
use socrun::graph::{
    AxisKind, Binary, Builder, Carry, Draw, Law, Lifetime, Op, Output, ParameterInfo, Program, Reduction, RegionId,
    Scan, ScanOutput, Type, Unary, ValueId, verify,
};
use socrun::plan::Peaks;
use socrun::source::SourceMap;
use wgpu::naga;

/// Every kernel is compiled by the driver first: few programs, but of every sort.
const RANDOM_PROGRAMS: u64 = 8;

fn fault(program: &Program) -> Option<Fault> {
    let device = device()?;
    Some(Gpu::new(program.clone(), &device).expect("fits").execute(&feed(&[], &[], 0)).expect_err("not finite"))
}

/// Runs a program on the device as it is, and with its batch in three pieces, the last of which has fewer samples.
fn compare(program: &Program, parameters: &[ArrayD<f64>], states: &[ArrayD<f64>], tolerance: f64) {
    let Some(device) = device() else { return };
    compare_on(&device, program, parameters, states, tolerance);
    let samples = program.axes.iter().filter(|axis| axis.kind == AxisKind::Sample).map(|axis| axis.size);
    if let Some(batch) = samples.max().filter(|n| *n > 1) {
        compare_on(&device.in_pieces(batch.div_ceil(3) + 1), program, parameters, states, tolerance);
    }
}

fn compare_on(device: &Device, program: &Program, parameters: &[ArrayD<f64>], states: &[ArrayD<f64>], tolerance: f64) {
    let tolerance = bound(device, tolerance);
    verify(program).expect("the program is well formed");
    let mut reference = Reference::new(program.clone());
    let mut gpu = match Gpu::new(program.clone(), device) {
        Ok(gpu) => gpu,
        Err(why) => panic!("{why}"),
    };
    for step in 0..2 {
        let feed = feed(parameters, states, step);
        let want = reference.execute(&feed).expect("finite");
        let got = gpu.execute(&feed).expect("finite");
        for (i, (want, got)) in want.iter().zip(&got).enumerate() {
            let scale = want.iter().fold(1e-3_f64, |m, x| m.max(x.abs()));
            assert_eq!(want.shape(), got.shape());
            for ((index, w), g) in want.indexed_iter().zip(got) {
                assert!(
                    (w - g).abs() <= tolerance * scale,
                    "output {i} ({:?}) at {index:?} in step {step}: reference {w}, found {g}",
                    program.node(program.outputs[i].1).op
                );
            }
        }
    }
}

/// Every elementary function, over all that f32 can hold of its domain.
#[test]
fn functions_are_accurate_everywhere() {
    let Some(device) = device() else { return };
    let powers: Vec<f64> = (-120..=126).map(|e| f64::from((2.0_f64.powi(e) * 1.234_567) as f32)).collect();
    let small: Vec<f64> = (-2000..=2000).map(|i| f64::from(i as f32 * 0.0431)).collect();
    let near: Vec<f64> = (-400..=400).map(|i| f64::from(1.0 + i as f32 * 1e-4)).collect();
    let signed = |x: &[f64]| -> Vec<f64> { x.iter().flat_map(|x| [*x, -x]).collect() };
    let both = [signed(&powers), small].concat();
    let positive = [powers, near].concat();
    let cases: [(Unary, &[f64], f64, f64); 9] = [
        (Unary::Exp, &both, 3e-7, 1e-38),
        (Unary::Log, &positive, 2.5e-7, 1e-12),
        (Unary::Tanh, &both, 4e-7, 1e-38),
        (Unary::Sigmoid, &both, 5e-7, 1e-37),
        (Unary::Softplus, &both, 5e-7, 1e-37),
        (Unary::Erf, &both, 3e-7, 1e-38),
        (Unary::Sin, &both, 0.0, 3e-7),
        (Unary::Cos, &both, 0.0, 3e-7),
        (Unary::SquareRoot, &positive, 2e-7, 0.0),
    ];
    for (f, points, relative, absolute) in cases {
        let mut b = Builder::new();
        b.program_mut().parameters.push(ParameterInfo { name: "x".to_owned(), shape: vec![points.len()] });
        let x = b.push(Op::Parameter(0));
        let y = b.unary(f, x);
        // The largest finite number stands for what is beyond it.
        let most = b.number(f64::from(f32::MAX));
        let y = b.binary(Binary::Minimum, y, most);
        b.program_mut().outputs.push((Output::Named("y".to_owned()), y));
        let program = b.finish();
        let parameters = [ArrayD::from_shape_vec(IxDyn(&[points.len()]), points.to_vec()).expect("one row")];
        let found =
            Gpu::new(program.clone(), &device).expect("fits").execute(&feed(&parameters, &[], 0)).expect("finite");
        let want = Reference::new(program).execute(&feed(&parameters, &[], 0)).expect("finite");
        for ((x, found), want) in points.iter().zip(&found[0]).zip(&want[0]) {
            let off = (found - want).abs();
            assert!(off <= relative * want.abs() + absolute, "{f:?} {x:e}: {found:e}, and it is {want:e}");
        }
    }
}

/// NaN stays NaN through every function, whatever a driver makes of comparisons.
#[test]
fn what_is_no_number_stays_so() {
    let Some(device) = device() else { return };
    let unary = [
        Unary::Absolute,
        Unary::Sign,
        Unary::Exp,
        Unary::Log,
        Unary::SquareRoot,
        Unary::Sin,
        Unary::Cos,
        Unary::Tanh,
        Unary::Sigmoid,
        Unary::Softplus,
        Unary::Relu,
        Unary::Erf,
        Unary::Power(3),
        Unary::Floor,
    ];
    let parameters = [f64::NAN, 1.0].map(|x| ArrayD::from_elem(IxDyn(&[]), x));
    let check = |op: &dyn Fn(ValueId, ValueId) -> Op| {
        let mut b = Builder::new();
        for name in ["x", "y"] {
            b.program_mut().parameters.push(ParameterInfo { name: name.to_owned(), shape: vec![] });
        }
        let (x, one) = (b.push(Op::Parameter(0)), b.push(Op::Parameter(1)));
        let op = op(x, one);
        let y = b.push(op.clone());
        b.program_mut().outputs.push((Output::Named("y".to_owned()), y));
        let found = Gpu::new(b.finish(), &device).expect("fits").execute(&feed(&parameters, &[], 0));
        assert!(found.is_err(), "{op:?} hides NaN");
    };
    for f in unary {
        check(&|x, _| Op::Unary(f, x));
    }
    for f in [Binary::Minimum, Binary::Maximum] {
        check(&|x, one| Op::Binary(f, x, one));
        check(&|x, one| Op::Binary(f, one, x));
    }
}

/// A loop is one dispatch, forward and backward, and what it alone draws takes no memory.
#[test]
fn a_workgroup_carries_samples_through_a_loop() {
    let Some(device) = device() else { return };
    let summary = |steps: usize| {
        let mut t = Bench::new();
        let batch = 1000;
        let sample = t.b.axis("sample", batch, AxisKind::Sample);
        let time = t.b.axis("t", steps, AxisKind::Time);
        let (x0, noise) = (t.draw(&[sample], &[2]), t.draw(&[sample, time], &[2]));
        let region = t.b.region(RegionId::ROOT);
        let x = t.b.argument(region, 0, Type::new([sample], [2]));
        let drawn = t.b.argument(region, 1, Type::new([sample], [2]));
        let bent = t.b.unary(Unary::Tanh, x);
        let next = t.b.add(bent, drawn);
        let scan = t.b.scan(Scan {
            region,
            axis: time,
            reverse: false,
            carries: vec![Carry { init: x0, argument: x, next }],
            slices: vec![(noise, drawn)],
            stacked: vec![],
        });
        let end = t.b.output(scan, ScanOutput::Final(0));
        let total = t.b.sum(end, &[sample], &[0]);
        t.out(total);
        Gpu::new(t.b.finish(), &device).expect("fits").summary()
    };
    let (few, many) = (summary(10), summary(300));
    assert_eq!(few, many, "dispatches, kernels and bytes do not grow with the steps");
    let mut t = Bench::new();
    for v in operations::steered(&mut t, 64, [32, 16]) {
        t.out(v);
    }
    let (dispatches, ..) = Gpu::new(t.b.finish(), &device).expect("fits").summary();
    assert!(dispatches < 30, "{dispatches} dispatches for a loop and its reverse");
}

/// A loop that a net steers for so many steps.
fn steered_for(steps: usize) -> Bench {
    let mut t = Bench::new();
    let sample = t.b.axis("sample", 64, AxisKind::Sample);
    let time = t.b.axis("t", steps, AxisKind::Time);
    let (x0, weight) = (t.draw(&[sample], &[64]), t.parameter(&[64, 64]));
    let region = t.b.region(RegionId::ROOT);
    let x = t.b.argument(region, 0, Type::new([sample], [64]));
    let turned = t.b.contract(weight, &[0, 1], x, &[1], &[0], &[]);
    let scale = t.b.number(0.1);
    let turned = t.b.mul(turned, scale);
    let next = t.b.unary(Unary::Tanh, turned);
    let next = t.b.add(next, turned);
    let scan = t.b.scan(Scan {
        region,
        axis: time,
        reverse: false,
        carries: vec![Carry { init: x0, argument: x, next }],
        slices: vec![],
        stacked: vec![next],
    });
    let kept = t.b.output(scan, ScanOutput::Stacked(0));
    t.out(kept);
    t
}

/// A loop that is too much for one dispatch is carried in several, of fewer samples each, and has the same numbers.
#[test]
fn long_loops_are_carried_in_pieces() {
    let Some(device) = device() else { return };
    let (few, _, _) = Gpu::new(steered_for(8).b.finish(), &device).expect("fits").summary();
    let (many, _, _) = Gpu::new(steered_for(400).b.finish(), &device).expect("fits").summary();
    assert!(many < few + 32, "{many} dispatches: the loop was recorded step by step");
    if device.adapter().software {
        assert!(many > few, "400 steps in as many dispatches as 8");
    }
    steered_for(400).check();
}

/// A loop of which a dispatch takes some steps only goes on where the one before has stopped, forwards and back.
#[test]
fn loops_are_carried_a_part_of_their_steps_at_a_time() {
    let Some(device) = device() else { return };
    let short = device.with_dispatches_of(2_000_000);
    let (whole, ..) = Gpu::new(steered_for(60).b.finish(), &device).expect("fits").summary();
    let (parts, ..) = Gpu::new(steered_for(60).b.finish(), &short).expect("fits").summary();
    assert!(whole + 4 < parts && parts < 60, "{parts} dispatches in place of {whole}");
    let mut both = Bench::new();
    for v in operations::steered(&mut both, 64, [32, 16]) {
        both.out(v);
    }
    for bench in [steered_for(60), both] {
        let program = bench.b.finish();
        compare_on(&short, &program, &bench.parameters, &bench.states, 1e-5);
    }
}

/// A driver in software may leave all loops of an invocation after 65,535 turns, and say nothing.
#[test]
fn long_loops_in_software_end_where_they_should() {
    let Some(device) = device() else { return };
    let mut t = Bench::new();
    let sample = t.b.axis("sample", 5, AxisKind::Sample);
    let time = t.b.axis("t", 70_000, AxisKind::Time);
    let zero = t.b.number(0.0);
    let zero = t.b.broadcast(zero, Type::new([sample], []));
    let region = t.b.region(RegionId::ROOT);
    let x = t.b.argument(region, 0, Type::new([sample], []));
    let one = t.b.number(1.0);
    let next = t.b.add(x, one);
    let carries = vec![Carry { init: zero, argument: x, next }];
    let scan = t.b.scan(Scan { region, axis: time, reverse: false, carries, slices: vec![], stacked: vec![] });
    let end = t.b.output(scan, ScanOutput::Final(0));
    t.out(end);
    let found = Gpu::new(t.b.finish(), &device).expect("fits").execute(&feed(&[], &[], 0)).expect("finite");
    assert!(found[0].iter().all(|n| *n == 70_000.0), "{} steps of 70,000", found[0]);
}

/// A device with a clock tells how long dispatches take, and how the time is divided among kinds of work.
#[test]
fn dispatches_are_timed() {
    let Some(device) = device() else { return };
    let (_, gpu) = steered_for(8).run_on(|program| {
        let mut gpu = Gpu::new(program, &device).expect("fits");
        gpu.watch_time(Peaks { products: 1e9, bytes: 1e9 }).expect("fits");
        gpu
    });
    let timing = gpu.timing().expect("it was asked for");
    assert_eq!(timing.cost.products, 2 * 64 * 64 * 64 * 8);
    let has_clock = device.adapter().features.contains(&"timestamps");
    assert_eq!(timing.longest.is_some(), has_clock);
    assert_eq!(timing.phases.iter().any(|phase| phase.name == "loops" && phase.seconds > 0.0), has_clock);
    assert!(
        timing.longest.is_none_or(|(seconds, _)| seconds > 0.0 && device.longest().is_some_and(|d| d.0 >= seconds))
    );
}

/// Few long sums are taken in parts, by many workgroups.
#[test]
fn long_sums_are_taken_in_parts() {
    for (size, free) in [(70_001, false), (5_000, true)] {
        let mut t = Bench::new();
        let sample = t.b.axis("sample", size, AxisKind::Sample);
        let x = t.draw(&[sample], &[3, 2]);
        for how in [Reduction::Sum, Reduction::Maximum, Reduction::LogSumExp] {
            let y = t.b.reduce(how, x, &[sample], if free { &[1] } else { &[0, 1] });
            t.out(y);
        }
        t.check();
    }
}

/// Activations in half precision take less memory and change what comes out by their rounding, on devices that have them.
#[test]
fn activations_may_be_kept_in_half_precision() {
    let Some(device) = device() else { return };
    let half = match device.with_half_activations() {
        Ok(half) => half,
        Err(why) => {
            assert!(matches!(why, Error::NoHalf(_)));
            return eprintln!("skipped: {why}");
        }
    };
    let run = |device: &Device| {
        let mut t = Bench::new();
        for v in operations::steered(&mut t, 150, [64, 16]) {
            t.out(v);
        }
        let (outputs, gpu) = t.run_on(|program| Gpu::new(program, device).expect("fits"));
        (outputs, gpu.summary().2)
    };
    let ((whole, more), (rounded, less)) = (run(&device), run(&half));
    assert!(less < more, "{less} bytes and not {more}");
    let mut differs = false;
    let (in_pieces, _) = run(&half.in_pieces(64));
    for (a, b) in whole.iter().zip(&rounded).chain(whole.iter().zip(&in_pieces)) {
        let scale = a.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        for (x, y) in a.iter().zip(b) {
            assert!((x - y).abs() <= 4e-3 * scale, "{x} and {y} of {scale}");
            differs |= x.to_bits() != y.to_bits();
        }
    }
    // Matrix units may round the same numbers before they use them.
    let rounds_anyway = device.matrix_unit().is_some_and(|unit| unit.half);
    assert!(differs || rounds_anyway, "nothing was rounded");
}

/// Products by matrix units are valid WGSL, also where no such unit is at hand to run them.
#[test]
fn kernels_for_matrix_units_are_valid() {
    for (side, half, threads) in [(8, false, 8), (8, false, 32), (16, false, 32), (16, true, 32)] {
        let mut t = Bench::new();
        for v in operations::steered(&mut t, 150, [64, 40]) {
            t.out(v);
        }
        let text = wgsl_for(&t.b.finish(), MatrixUnit { side, half, threads }).expect("fits");
        let mut used = 0;
        for kernel in text.split("// kernel ").skip(1) {
            let (_, kernel) = kernel.split_once('\n').expect("a head and a text");
            let module =
                naga::front::wgsl::parse_str(kernel).unwrap_or_else(|why| panic!("{}", why.emit_to_string(kernel)));
            let all = naga::valid::Capabilities::all();
            let mut validator = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), all);
            let info = validator.validate(&module).unwrap_or_else(|why| panic!("{why:?}\n{kernel}"));
            if kernel.contains("coopMultiplyAdd") {
                used += 1;
                let options = naga::back::spv::Options { lang_version: (1, 4), ..naga::back::spv::Options::default() };
                naga::back::spv::write_vec(&module, &info, &options, None).expect("as SPIR-V");
            }
        }
        assert!(used > 0, "no product of a net's gradient uses the units");
    }
}

/// Products by matrix units agree with the others to the rounding of their factors, on devices that have such units.
#[test]
fn matrix_units_take_products() {
    let Some(device) = device() else { return };
    let units = match device.with_matrix_units() {
        Ok(units) => units,
        Err(why) => {
            assert!(matches!(why, Error::NoUnits(_)), "{why}");
            return eprintln!("skipped: {why}");
        }
    };
    let tolerance = bound(&units, 1e-5);
    let run = |device: &Device| {
        let mut t = Bench::new();
        for v in operations::steered(&mut t, 150, [64, 40]) {
            t.out(v);
        }
        t.run_on(|program| Gpu::new(program, device).expect("fits")).0
    };
    for (a, b) in run(&device).iter().zip(&run(&units)) {
        let scale = a.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        assert!(a.iter().zip(b).all(|(x, y)| (x - y).abs() <= tolerance * scale));
    }
}

/// The whole of what a reader sees, without the text that a span points at.
fn rendered(error: impl miette::Diagnostic + Send + Sync + 'static) -> String {
    render(&[Report::new(error)], &SourceMap::new())
}

#[test]
fn errors_are_worded() {
    let found = vec!["0: a software device (software, Vulkan)".to_owned()];
    let device = "a card".to_owned();
    let span = socrun::source::Span::NONE;
    let all = [
        rendered(NoDevice { wanted: Some("another card".to_owned()), found: found.clone() }),
        rendered(NoDevice { wanted: None, found }),
        rendered(NoDevice { wanted: None, found: Vec::new() }),
        rendered(NoHalf { device: device.clone() }),
        rendered(NoUnits { device: device.clone(), why: "none".to_owned() }),
        rendered(Refused { device: device.clone(), why: "out of memory".to_owned() }),
        rendered(OverLimit {
            is_memory: true,
            what: "bytes in one piece",
            needed: 4_000_000_000,
            limit: 134_217_728,
            device: device.clone(),
            advice: "lower `batch` or `grid`, or run with `--backend cpu`".to_owned(),
            span,
        }),
        rendered(Kernel { device: device.clone(), why: "expected `;`, found `}`".to_owned(), span }),
        rendered(Lost { device, why: "it was taken out".to_owned() }),
    ];
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn what_a_device_does_not_allow_is_refused_with_the_limit() {
    let Some(device) = device() else { return };
    let limit = device.adapter().limits.binding;
    let entries = (limit / 4 + 1) as usize;
    let with = |kind| {
        let mut b = Builder::new();
        let axis = b.axis("axis", entries, kind);
        let draw = Draw { stream: 1, law: Law::Normal, lifetime: Lifetime::Step, seed: None };
        let x = b.push_typed(Op::Draw(draw), Some(Type::new([axis], [1])));
        let square = b.unary(Unary::Power(2), x);
        let total = b.sum(square, &[axis], &[0]);
        b.program_mut().outputs.push((Output::Named("total".to_owned()), total));
        b.finish()
    };
    match Gpu::check(&with(AxisKind::Time), &device) {
        Err(Error::OverLimit(over)) => assert!(over.needed > u128::from(over.limit) && over.limit <= limit, "{over}"),
        other => panic!("{other:?}"),
    }
    // Samples go through in pieces.
    let mut gpu = Gpu::new(with(AxisKind::Sample), &device).expect("pieces fit");
    let total = gpu.execute(&feed(&[], &[], 0)).expect("finite")[0][[]];
    let n = entries as f64;
    assert!((total / n - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "the mean of {entries} squares is {}", total / n);
}

#[test]
fn a_device_that_is_not_there_is_an_error() {
    assert!(matches!(Device::open(Some("a card that is not there")), Err(Error::NoDevice(_))));
    assert!(matches!(Device::open(Some("4096")), Err(Error::NoDevice(_))));
}
