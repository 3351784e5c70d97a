//! Reports of made-up outcomes.
#![allow(clippy::disallowed_methods, reason = "tests look at what was written")]

use super::{
    Answer, Chart, Curve, Experiment, Point, Scale, Spread, Verdict, chart, last_values, prepare, results, table,
    verdicts, write,
};
use crate::lower::{Arithmetic, Citation, Claim, Expectation, Figure, Formula, Order, Outline};
use crate::run::{Outcome, Series, Timing};
use crate::source::{SourceMap, Span};

fn outcome(name: &str, seed: u64, level: f64) -> Outcome {
    let noise = |step: u64| 1.0 + 0.25 * ((step * 7919 + seed * 104_729) as f64).sin();
    let points = (0..=60).map(|i| (i * 100, level * (-(i as f64) / 12.0).exp() * noise(i) + 0.002 * level)).collect();
    Outcome {
        known: Vec::new(),
        labels: vec![("L".into(), name.into()), ("seed".into(), seed.to_string())],
        seed,
        quantities: vec![Series { name: "error".into(), points }],
        objective: Series { name: "objective".into(), points: vec![(1, 2.0), (6000, 1.0)] },
        timing: Timing::of(vec![0.002, 0.003]),
        steps: 6000,
        parameters: vec![("V.W".into(), ndarray::arr2(&[[1.0, 2.0], [3.0, 4.0]]).into_dyn())],
        failure: None,
        lost: None,
    }
}

fn figure(against: Option<&str>, log: &[&str]) -> Figure {
    Figure {
        quantities: vec!["error".into()],
        against: against.map(str::to_owned),
        by: vec!["L".into()],
        mean_over: vec!["seed".into()],
        log: log.iter().map(|axis| (*axis).to_owned()).collect(),
        span: Span::NONE,
    }
}

fn outline() -> Outline {
    let labels = |all: &[&str]| all.iter().map(|label| (*label).to_owned()).collect();
    Outline {
        doc: "A made-up experiment.\n\nIt shows <nothing> & more.".into(),
        sweep: vec![("L".into(), labels(&["first", "second(_, M)"])), ("seed".into(), labels(&["1", "2", "3"]))],
        plots: vec![figure(Some("step"), &["y"])],
        tables: vec![figure(None, &[])],
        expectations: Vec::new(),
        citations: vec![Citation { key: "arXiv:1412.6980".into(), fields: Vec::new() }],
    }
}

fn outcomes() -> Vec<Outcome> {
    let names = [("first", 1.0), ("second(_, M)", 0.2)];
    names.iter().flat_map(|(name, level)| (1..=3).map(|seed| outcome(name, seed, *level))).collect()
}

#[test]
fn a_table_averages_over_what_is_not_told_apart() {
    let outline = outline();
    let text = table(&outline.tables[0], &outline, &outcomes()).text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("L ") && lines[0].ends_with(" error"), "{text}");
    assert!(lines[2].starts_with("first ") && lines[2].contains(" ± "), "{text}");
    assert!(lines[3].starts_with("second(_, M) "), "{text}");
    assert_eq!(lines[4], "mean ± standard error over seed (3 values)");
}

#[test]
fn a_swept_name_that_nothing_binds_tells_rows_apart() {
    let outline = outline();
    let free = Figure { mean_over: vec![], ..outline.tables[0].clone() };
    assert_eq!(table(&free, &outline, &outcomes()).rows.len(), 6);
    assert_eq!(last_values(&outline, &outcomes()).head, ["L", "seed", "error"]);
}

fn expectation(claim: Claim, at: Option<f64>, by: &[&str]) -> Expectation {
    Expectation {
        claim,
        at: at.map(Formula::Number),
        by: by.iter().map(|name| (*name).to_owned()).collect(),
        mean_over: vec!["seed".into()],
        span: Span::NONE,
        claim_span: Span::NONE,
    }
}

fn of(quantity: &str, chosen: &[(&str, &str)]) -> Formula {
    let chosen = chosen.iter().map(|(name, label)| ((*name).to_owned(), (*label).to_owned()));
    Formula::Quantity(quantity.into(), chosen.collect())
}

/// The verdicts on one expectation of the made-up experiment.
fn weighed(expectation: Expectation, outline: &Outline, outcomes: &[Outcome]) -> Vec<Verdict> {
    let outline = Outline { expectations: vec![expectation], ..outline.clone() };
    verdicts(&outline, &SourceMap::new(), outcomes)
}

#[test]
fn an_order_is_that_of_means_and_its_margin_that_of_differences() {
    let (first, second) = (of("error", &[("L", "first")]), of("error", &[("L", "second(_, M)")]));
    let claim = |order| Claim::Order(second.clone(), order, first.clone());
    let less = &weighed(expectation(claim(Order::Less), None, &[]), &outline(), &outcomes())[0];
    let greater = &weighed(expectation(claim(Order::Greater), Some(300.0), &[]), &outline(), &outcomes())[0];
    assert_eq!((less.answer, greater.answer), (Answer::Holds, Answer::Fails));
    let last = |index: usize| outcomes()[index].quantities[0].points[60].1;
    let differences: Vec<f64> = (0..3).map(|seed| last(seed) - last(3 + seed)).collect();
    let mean = differences.iter().sum::<f64>() / 3.0;
    let error = (differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / 6.0).sqrt();
    assert_eq!(less.note, format!(" by {} s.e.", super::number::significant(mean / error, 2)));
    let each =
        weighed(expectation(Claim::Order(of("error", &[]), Order::Less, first), None, &["L"]), &outline(), &outcomes());
    // The first is not less than itself.
    assert_eq!(each.iter().map(|verdict| verdict.answer).collect::<Vec<_>>(), [Answer::Fails, Answer::Holds]);
}

#[test]
fn what_the_measurements_do_not_say_stays_open() {
    let error = || of("error", &[]);
    let claim = |value: Formula| Claim::Order(value, Order::Less, Formula::Number(1e9));
    let why = |expectation, outcomes: &[Outcome]| {
        let verdict = weighed(expectation, &outline(), outcomes).swap_remove(0);
        assert_eq!((verdict.answer, verdict.value), (Answer::Open, None), "{}", verdict.note);
        verdict.note
    };
    let all = outcomes();
    assert_eq!(why(expectation(claim(error()), Some(150.0), &["L"]), &all), ", `error` was not measured at step 150");
    assert_eq!(why(expectation(claim(error()), Some(7000.0), &["L"]), &all), ", step 7000 was not reached");
    assert_eq!(why(expectation(claim(error()), None, &["L"]), &all[1..]), ", a cell is missing");
    let log = Formula::Arithmetic(Arithmetic::Log, vec![Formula::Arithmetic(Arithmetic::Negate, vec![error()])]);
    assert_eq!(why(expectation(claim(log), None, &["L"]), &all), ", its value is not finite");
    let mut one_seed = outline();
    one_seed.sweep[1].1.truncate(1);
    let spread = expectation(claim(Formula::StandardError(Box::new(error()))), None, &["L"]);
    assert_eq!(weighed(spread, &one_seed, &all)[0].note, ", one value has no standard error");
}

#[test]
fn a_slope_is_that_of_the_logarithms() {
    let labels = ["10", "1_000", "100"].map(str::to_owned).to_vec();
    let outline = Outline { sweep: vec![("n".into(), labels.clone()), ("seed".into(), vec!["1".into()])], ..outline() };
    let cell = |label: &String| {
        let n: f64 = label.replace('_', "").parse().expect("a number");
        let series = Series { name: "error".into(), points: vec![(0, 3.0 * n.powf(-0.5))] };
        let labels = vec![("n".into(), label.clone()), ("seed".into(), "1".into())];
        Outcome { labels, quantities: vec![series], ..outcome("", 1, 1.0) }
    };
    let cells: Vec<Outcome> = labels.iter().map(cell).collect();
    let slope = Formula::Slope(Box::new(of("error", &[])), "n".into());
    let claim = Claim::Near(slope, Formula::Number(-0.5), Formula::Number(1e-12));
    assert_eq!(weighed(expectation(claim, None, &[]), &outline, &cells)[0].answer, Answer::Holds);
}

#[test]
fn one_seed_has_no_band() {
    let outline = outline();
    let one: Vec<Outcome> = outcomes().into_iter().filter(|outcome| outcome.seed == 1).collect();
    let chart = chart(&outline.plots[0], &outline, &one);
    assert!(chart.curves.iter().all(|curve| curve.points.iter().all(|point| point.error.is_none())));
    assert!(!chart.render().contains("fill-opacity"));
}

#[test]
fn a_band_is_the_mean_with_its_error() {
    let outline = outline();
    let chart = chart(&outline.plots[0], &outline, &outcomes());
    let point = chart.curves[1].points[3];
    let values: Vec<f64> = outcomes()[3..].iter().map(|o| o.quantities[0].points[3].1).collect();
    let mean = values.iter().sum::<f64>() / 3.0;
    assert!((point.y - mean).abs() < 1e-15 && point.x == 300.0);
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2.0;
    assert!((point.error.expect("three seeds") - (variance / 3.0).sqrt()).abs() < 1e-15);
    assert_eq!(chart.render().matches("fill-opacity").count(), 2);
}

#[test]
fn a_logarithmic_axis_says_what_it_leaves_out() {
    let at = |x: f64, y: f64| Point { x, y, error: None };
    let points = vec![at(0.0, 1.0), at(1.0, 0.0), at(2.0, -1.0), at(3.0, 10.0), at(4.0, 100.0)];
    let y = Scale { label: "y".into(), log: true, ..Scale::default() };
    let chart = Chart { y, curves: vec![Curve { label: String::new(), points }], ..Chart::default() };
    let svg = chart.render();
    assert!(svg.contains("2 points with a value ≤ 0 left out by the logarithmic axis"), "{svg}");
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn charts_of_nothing_and_of_one_point_are_drawn() {
    let empty = Chart::default().render();
    let point = Point { x: 0.0, y: 5.0, error: Some(1.0) };
    for log in [false, true] {
        for spread in [Spread::Band, Spread::Bars] {
            let scale = Scale { label: "a<b".into(), log, ..Scale::default() };
            let curves = vec![Curve { label: "c&d".into(), points: vec![point] }];
            let svg = Chart { x: scale.clone(), y: scale, curves, spread, notes: vec![] }.render();
            for svg in [&svg, &empty] {
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            }
            assert!(svg.contains("a&lt;b") && svg.contains("c&amp;d"), "{svg}");
        }
    }
}

#[test]
fn long_curves_are_thinned_without_losing_extremes() {
    let mut points: Vec<Point> =
        (0..50_000).map(|i| Point { x: f64::from(i), y: f64::from(i % 7), error: None }).collect();
    points[12_345].y = 100.0;
    let svg = Chart { curves: vec![Curve { label: String::new(), points }], ..Chart::default() }.render();
    assert!(svg.len() < 60_000, "{} bytes", svg.len());
    let top = svg.lines().find(|line| line.contains("stroke-linejoin")).expect("a curve");
    // 5 % below the upper edge: the plot is 340 high and the range is 1.1 times what the data span, from 0.
    let highest = 14.0 + 340.0 * (1.0 - 100.0 / 105.0);
    assert!(top.contains(&format!(" {highest:.1}L")), "{top}");
}

#[test]
fn a_run_directory_holds_everything_and_is_the_same_twice() {
    let mut sources = SourceMap::new();
    sources.add("made_up.soc", "let d = 2\n");
    let outline = outline();
    let experiment = Experiment {
        file: "some/made_up.soc".into(),
        text: "let d = 3\n".into(),
        outline: &outline,
        sources: &sources,
        modules: sources.files().iter().collect(),
        overrides: vec![("d".into(), "3".into())],
        profile: None,
        backend: "cpu".into(),
        threads: 2,
        seed: 0,
        outcomes: outcomes(),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("written");
    let go = || {
        prepare(folder.path()).expect("a directory");
        write(folder.path(), &experiment).expect("files");
        ["manifest.ron", "results.json", "metrics.csv", "report.html", "figures/1-error.svg"].map(read)
    };
    let [manifest, json, csv, html, _] = go();
    assert!(go() == [&*manifest, &*json, &*csv, &*html, &*read("figures/1-error.svg")]);

    let value: ron::Value = ron::from_str(&manifest).expect("RON that reads back");
    drop(value);
    assert!(manifest.contains(&experiment.hash()) && manifest.contains("let d = 3"), "{manifest}");
    let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(value["cells"][4]["labels"]["seed"], "2");
    assert_eq!(value["cells"][4]["quantities"]["error"]["history"][60][0], 6000);
    assert!(json == format!("{:#}\n", results(&experiment)));
    assert_eq!(csv.lines().next(), Some("L,seed,step,quantity,value"));
    assert_eq!(csv.lines().count(), 1 + 6 * (61 + 2));
    assert!(csv.contains("\"second(_, M)\",3,6000,error,"), "{csv}");
    assert!(html.contains("<h1>A made-up experiment</h1>") && html.contains("&lt;nothing&gt; &amp; more"), "{html}");
    assert!(!html.contains("src=") && !html.contains("href="), "a page that is complete in itself");

    let bytes = std::fs::read(folder.path().join("params.safetensors")).expect("written");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let tensor = tensors.tensor("L=first,seed=2/V.W").expect("a parameter");
    assert_eq!((tensor.shape(), &tensor.data()[4..8]), (&[2, 2][..], &2.0_f32.to_le_bytes()[..]));
}

#[test]
fn a_measured_quantity_may_be_the_abscissa() {
    let mut outline = outline();
    outline.plots[0].against = Some("cost".into());
    let mut all = outcomes();
    for outcome in &mut all {
        let factor = if outcome.label("L") == Some("first") { 1.0 } else { 10.0 };
        let points = outcome.quantity("error").expect("it was measured").points.iter();
        // The first point lacks a cost.
        let costs = points.skip(1).map(|(step, _)| (*step, factor * *step as f64)).collect();
        outcome.quantities.push(Series { name: "cost".into(), points: costs });
    }
    let steps = chart(&super::tests::outline().plots[0], &outline, &all);
    let chart = chart(&outline.plots[0], &outline, &all);
    assert_eq!(chart.x.label, "cost");
    for (curve, (by_step, factor)) in chart.curves.iter().zip(steps.curves.iter().zip([1.0, 10.0])) {
        assert_eq!(curve.points.len() + 1, by_step.points.len());
        for (point, same) in curve.points.iter().zip(&by_step.points[1..]) {
            assert_eq!((point.x, point.y, point.error), (factor * same.x, same.y, same.error));
        }
    }
}
