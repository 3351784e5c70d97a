//! Passes keep what programs compute, and make of them what they are for; programs are texts.
//!
//! Every file of `tests/graph` holds remarks, the name of a pass, a program, a line `=>`, and the program after the pass
//! and the removal of dead values. With `UPDATE=1` in the environment the last part is written anew.

#![allow(missing_docs, clippy::unwrap_used, clippy::disallowed_methods)]

mod graph_support;

use std::path::Path;

use graph_support::{Numbers, close, random, run};
use socrun::graph::text::{parse, print, summary};
use socrun::graph::{Op, Program, verify};
use socrun::transform::{BEFORE_GRADIENTS, PASSES, Pass, optimise, with_gradients};

fn same(what: &str, before: &Program, after: &Program, seed: u64) {
    let mut numbers = Numbers(seed + 1);
    let at: Vec<_> = random::SHAPES.iter().map(|s| numbers.array(s)).collect();
    let names = |p: &Program| p.outputs.iter().map(|o| o.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(before), names(after), "{what}");
    let (x, y) = (run(before, &at), run(after, &at));
    for ((x, y), (name, _)) in x.iter().zip(&y).zip(&before.outputs) {
        close(&format!("{what}: {name:?}"), y, x, 1e-9);
    }
}

fn pass_by_pass(passes: &[Pass], mut program: Program, seed: u64) -> Program {
    for (i, pass) in passes.iter().enumerate() {
        let after = (pass.run)(program.clone());
        same(&format!("seed {seed}, pass {i}, {}", pass.name), &program, &after, seed);
        program = after;
    }
    program
}

#[test]
fn every_pass_keeps_values() {
    for seed in 0..250 {
        pass_by_pass(&PASSES, random::program(seed), seed);
    }
}

#[test]
fn optimising_again_changes_no_value() {
    for seed in 0..50 {
        let once = optimise(random::program(seed));
        same(&format!("seed {seed}"), &once, &optimise(once.clone()), seed);
    }
}

#[test]
fn gradients_of_the_simplified_program_are_its_gradients() {
    for seed in 0..150 {
        let whole = random::program(seed);
        let mut objective = whole.clone();
        objective.outputs.truncate(1);
        pass_by_pass(&BEFORE_GRADIENTS, objective.clone(), seed);
        let with = with_gradients(objective, &[(0, vec![0, 1, 2, 3])]);
        let mut numbers = Numbers(seed + 1);
        let at: Vec<_> = random::SHAPES.iter().map(|s| numbers.array(s)).collect();
        let (found, expected) = (run(&with, &at), run(&whole, &at));
        assert_eq!(found.len(), 5);
        for (i, g) in found[1..].iter().enumerate() {
            let place = whole.outputs.iter().position(|o| format!("{:?}", o.0).contains(&format!("gradient {i}")));
            match place {
                Some(place) => close(&format!("seed {seed}, gradient {i}"), g, &expected[place], 1e-9),
                None => assert!(g.iter().all(|x| *x == 0.0), "seed {seed}: gradient {i} of what does not depend on it"),
            }
        }
    }
}

#[test]
fn programs_print_and_parse() {
    for seed in 0..60 {
        for program in [random::program(seed), optimise(random::program(seed))] {
            let text = print(&program);
            let back = parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            assert_eq!(print(&back), text);
            assert_eq!(back.outputs, program.outputs);
            for (a, b) in program.nodes.iter().zip(&back.nodes) {
                assert_eq!((&a.op, &a.ty, a.region), (&b.op, &b.ty, b.region));
            }
        }
    }
}

/// A line of every operation.
const ALL: &str = r#"axis sample sample 3
axis t#1 time 4
axis t#2 time 4
axis pairs index 5
parameter "W" [2, 2]
parameter "x \"quoted\"" []
state "mean" [2]
region r1 in r0
%0 = number -inf : []
%1 = table 1.0 2.5 -3e-7 NaN : t#1 []
%2 = iota t#1 : t#1 []
%3 = eye 2 : [2, 2]
%4 = parameter 0 : [2, 2]
%5 = state 0 : [2]
%6 = step : []
%7 = draw 18446744073709551615 uniform run seed 7 : sample t#1 [2]
%8 = erf %7 : sample t#1 [2]
%9 = power -3 %8 : sample t#1 [2]
%10 = pow %8 %9 : sample t#1 [2]
%11 = less_equal %8 %9 : sample t#1 [2]
%12 = select %11 %8 %0 : sample t#1 [2]
%13 = contract ab,b->a over sample,t#1 %4 %12 : [2]
%14 = log_sum_exp over t#1 dims 0 %12 : sample []
%15 = cumulative t#1 reverse exclusive %12 : sample t#1 [2]
%16 = broadcast %14 : sample t#2 [2]
%17 = reshape %4 : [4]
%18 = transpose 1,0 %4 : [2, 2]
%19 = concat 0 %5 %13 : [4]
%20 = slice 0 from 1 length 2 %19 : [2]
%21 = pad 0 before 1 after 2 %20 : [5]
%22 = gather 0 index 4,0,0 %21 : [3]
%23 = scatter 0 index 1,1,0 size 2 %22 : [2]
%24 = rename t#1 t#2 %12 : sample t#2 [2]
%25 = at t#1 3 %12 : sample [2]
%26 = place t#1 0 %25 : sample t#1 [2]
%27 = shift t#1 -1 %25 %26 : sample t#1 [2]
%28 = argument r1 0 : sample [2] in r1
%29 = argument r1 1 : sample [2] in r1
%30 = add %28 %29 : sample [2] in r1
%31 = scan r1 t#1 backward carry %25 %28 %30 slice %26 %29 stack %30 stack %5 : []
%32 = final 0 %31 : sample [2]
%33 = stacked 1 %31 : t#1 [2]
%34 = detach %33 : t#1 [2]
%35 = mark 2 %33 : t#1 [2]
%36 = solve %4 %35 : t#1 [2]
%37 = inverse %4 : [2, 2]
%38 = expm %4 : [2, 2]
%39 = max over sample %32 : [2]
%40 = pick t#1 t#2 as pairs from 0,1,0,3 length 2,2,0,1 %33 : pairs [2]
%41 = spread t#1 t#2 as pairs from 0,1,0,3 length 2,2,0,1 %40 : t#1 t#2 [2]
named "a \"name\"" = %36
gradient 1 = %6
next 0 = %13
"#;

#[test]
fn every_operation_prints_and_parses() {
    let program = parse(ALL).unwrap();
    assert_eq!(print(&program), ALL);
    assert_eq!(program.parameters[1].name, "x \"quoted\"");
    assert!(matches!(program.nodes[13].op, Op::Contract(..)));
}

#[test]
fn large_tables_are_cut_short_in_summaries_alone() {
    let text = "axis t time 12\n%0 = table 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 : t []\nnamed \"t\" = %0\n";
    let program = parse(text).unwrap();
    assert_eq!(print(&program), text);
    assert!(summary(&program).contains("… 12 entries"));
}

#[test]
fn what_is_no_program_is_refused_with_its_line() {
    let head = "axis t time 4\nparameter \"W\" [2]\nregion r1 in r0\n%0 = parameter 0 : [2]\n";
    for (line, why) in [
        ("%1 = sine %0 : [2]", "line 5: there is no operation `sine`"),
        ("%2 = sin %0 : [2]", "line 5: expected %1, found %2"),
        ("%1 = sin %1 : [2]", "line 5: %1 is no earlier value"),
        ("%1 = sin %0", "line 5: expected ` : ` and a type"),
        ("%1 = sin %0 %0 : [2]", "line 5: nothing was expected after the operation, found `%0`"),
        ("%1 = iota u : t []", "line 5: there is no axis `u`"),
        ("%1 = parameter 3 : [2]", "line 5: there is no number 3"),
        ("%1 = sin %0 : [2] in r4", "line 5: there is no region r4"),
        ("%1 = contract ab %0 %0 : []", "line 5: expected labels such as `ab,b->a`, found `ab`"),
        ("region r5 in r0", "line 5: regions stand in their order, after their parents"),
        ("axis u space 3", "line 5: expected `sample`, `time` or `index`, found `space`"),
        ("named loss = %0", "line 5: expected a name in quotes, found `loss = %0`"),
        ("loss", "line 5: `loss` is no line of a program"),
    ] {
        assert_eq!(parse(&format!("{head}{line}\n")).unwrap_err().to_string(), why, "{line}");
    }
    let wrong_type = parse(&format!("{head}%1 = sin %0 : [3]\n")).unwrap_err();
    assert!(wrong_type.why.contains("has type"), "{wrong_type}");
}

#[test]
fn passes_as_texts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/graph");
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10);
    let mut wrong = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        let (before, expected) = text.split_once("\n=>\n").unwrap_or_else(|| panic!("{name}: no line `=>`"));
        let start = before.lines().position(|l| !l.starts_with("//")).unwrap();
        let pass = before.lines().nth(start).unwrap();
        let program = before.lines().skip(start + 1).collect::<Vec<_>>().join("\n");
        let program = parse(&program).unwrap_or_else(|e| panic!("{name}: {e}"));
        let find = |n: &str| PASSES.iter().find(|p| p.name == n).unwrap_or_else(|| panic!("{name}: no pass {n}"));
        let after = (find("dead").run)((find(pass).run)(program.clone()));
        verify(&after).unwrap();
        let mut numbers = Numbers(1);
        let at: Vec<_> = program.parameters.iter().map(|p| numbers.array(&p.shape)).collect();
        for (x, y) in run(&program, &at).iter().zip(&run(&after, &at)) {
            close(&name, y, x, 1e-12);
        }
        let found = print(&after);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, format!("{before}\n=>\n{found}")).unwrap();
        } else if found != expected {
            wrong.push(format!("{name}: found\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
