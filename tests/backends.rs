//! The CPU against the reference evaluator: every operation, programs put together at random, and the same bits for any
//! number of threads.

mod operations;

use ndarray::ArrayD;
use operations::{Bench, feed};
use socrun::backend::cpu::Cpu;
use socrun::backend::reference::Reference;
use socrun::backend::{Executor, Fault};
use socrun::graph::{AxisKind, Program, verify};
use socrun::plan;

const RANDOM_PROGRAMS: u64 = 60;

#[expect(clippy::unnecessary_wraps, reason = "other machines may be missing")]
fn fault(program: &Program) -> Option<Fault> {
    Some(Cpu::new(program.clone(), 2).expect("fits").execute(&feed(&[], &[], 0)).expect_err("not finite"))
}

fn compare(program: &Program, parameters: &[ArrayD<f64>], states: &[ArrayD<f64>], tolerance: f64) {
    verify(program).expect("the program is well formed");
    let mut reference = Reference::new(program.clone());
    let mut cpus: Vec<Cpu> = [1, 2, 5].map(|n| Cpu::new(program.clone(), n).expect("fits")).into();
    // Cut in the smallest strips; sums are taken in another order then.
    let options = plan::Options { cache: 0, ..plan::Options::default() };
    let mut strips = Cpu::with_options(program.clone(), 2, u64::MAX, options).expect("fits");
    for step in 0..2 {
        let feed = feed(parameters, states, step);
        let want = reference.execute(&feed).expect("finite");
        let got: Vec<_> = cpus.iter_mut().map(|c| c.execute(&feed).expect("finite")).collect();
        let strips = strips.execute(&feed).expect("finite");
        for (i, want) in want.iter().enumerate() {
            let scale = want.iter().fold(1e-3_f64, |m, x| m.max(x.abs()));
            assert_eq!(want.shape(), got[0][i].shape());
            for ((index, w), (g, h)) in want.indexed_iter().zip(got[0][i].iter().zip(&strips[i])) {
                let value = program.outputs[i].1;
                assert!(
                    (w - g).abs() <= tolerance * scale && (w - h).abs() <= tolerance * scale,
                    "output {i} ({:?}) at {index:?} in step {step}: reference {w}, cpu {g}, in strips {h}",
                    program.node(value).op
                );
            }
            for other in &got[1..] {
                assert!(
                    got[0][i].iter().zip(other[i].iter()).all(|(a, b)| a.to_bits() == b.to_bits()),
                    "threads change bits"
                );
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_before_it_is_set_aside() {
    let program = |batch: usize, keep: bool| {
        let mut t = Bench::new();
        let sample = t.b.axis("sample", batch, AxisKind::Sample);
        let x = t.draw(&[sample], &[1000]);
        let mut loss = t.b.sum(x, &[sample], &[0]);
        if keep {
            let centred = t.b.sub(x, loss);
            let square = t.b.mul(centred, centred);
            loss = t.b.sum(square, &[sample], &[0]);
        }
        t.out(loss);
        t.b.finish()
    };
    let error = |batch, keep| Cpu::with_limit(program(batch, keep), 2, 4_000_000_000).err();
    assert!(matches!(error(1_000_000_000_000, false), Some(plan::Error::TooMany(e)) if e.axis == "sample"));
    match error(1_000_000_000, true) {
        Some(plan::Error::TooLarge(e)) => {
            assert_eq!(e.axes, [("sample".to_owned(), 1_000_000_000)]);
            assert_eq!(e.shape, [1000]);
            assert!(e.bytes >= 4_000_000_000_000);
        }
        other => panic!("{other:?}"),
    }
    // What streams does not grow with the batch.
    assert!(error(1_000_000_000, false).is_none());
}
