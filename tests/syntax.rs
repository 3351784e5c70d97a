//! The syntax: what parses, what does not and how it is worded, and the printer.

#![allow(clippy::disallowed_methods, reason = "the texts are files")]

use std::path::Path;

use socrun::diagnostic::{Sink, render};
use socrun::source::SourceMap;
use socrun::syntax::{self, Mode};

/// Every text that must parse: the programs of `tests/lang/ok`, the library and the experiments.
fn texts() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for folder in ["tests/lang/ok", "stdlib", "experiments"] {
        collect(Path::new(folder), &mut texts);
    }
    texts.sort();
    texts
}

fn collect(folder: &Path, texts: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("the folder stands") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            collect(&path, texts);
        } else if path.extension().is_some_and(|kind| kind == "soc") {
            texts.push((path.display().to_string(), std::fs::read_to_string(&path).expect("readable")));
        }
    }
}

fn dump_of(name: &str, text: &str) -> String {
    let mut sources = SourceMap::new();
    let base = sources.add(name, text);
    let mut sink = Sink::new();
    let file = syntax::parse(text, base, &mut sink);
    assert!(sink.is_empty(), "{}", render(&sink.into_reports(), &sources));
    syntax::dump(&file)
}

fn formatted(name: &str, text: &str, mode: Mode) -> String {
    let mut sources = SourceMap::new();
    let base = sources.add(name, text);
    syntax::format(text, base, mode).unwrap_or_else(|reports| panic!("{name}: {}", render(&reports, &sources)))
}

#[test]
fn formatting_is_idempotent_and_keeps_the_tree() {
    for (name, text) in texts() {
        let tree = dump_of(&name, &text);
        for mode in [Mode::Keep, Mode::Ascii, Mode::Unicode] {
            let once = formatted(&name, &text, mode);
            assert_eq!(dump_of(&name, &once), tree, "{name} {mode:?}");
            assert_eq!(formatted(&name, &once, mode), once, "{name} {mode:?}");
        }
        let ascii = formatted(&name, &text, Mode::Ascii);
        let unicode = formatted(&name, &ascii, Mode::Unicode);
        assert_eq!(dump_of(&name, &unicode), tree, "{name}");
        // `inv(transpose(A))` comes back as `inv_transpose(A)`, and then stays.
        let back = formatted(&name, &unicode, Mode::Ascii);
        assert_eq!(formatted(&name, &back, Mode::Unicode), unicode, "{name}: there and back");
        // What stands in quotes is no code.
        let code: String = ascii.lines().map(|line| line.split("//").next().unwrap_or("")).collect();
        let code: String = code.split('"').step_by(2).collect();
        assert!(code.is_ascii(), "{name}: {code}");
    }
}

fn errors_of(name: &str, text: &str) -> String {
    let mut sources = SourceMap::new();
    let base = sources.add(name, text);
    let mut sink = Sink::new();
    syntax::parse(text, base, &mut sink);
    render(&sink.into_reports(), &sources)
}

#[test]
fn errors_are_worded() {
    insta::glob!("lang/syntax/*.soc", |path| {
        let text = std::fs::read_to_string(path).expect("readable");
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        insta::assert_snapshot!(errors_of(&name, &text));
    });
}

#[test]
fn formatted_programs() {
    for name in ["expectations", "experiment", "losses", "quadratic_ou", "spellings", "lists"] {
        let text = std::fs::read_to_string(format!("tests/lang/ok/{name}.soc")).expect("readable");
        for mode in [Mode::Keep, Mode::Ascii] {
            insta::assert_snapshot!(format!("{name}-{mode:?}"), formatted(name, &text, mode));
        }
    }
}

#[test]
fn layout_is_mended() {
    let messy = "// head\n\n\n\nlet   a=1 ;
"
    .replace(" ;", "   // one")
        + "let bb  =  2 // two\r\n\tlet c=-  a *b+ f( x,y )\nproblem p(d:Nat){\ntime t in 0 .. 1\n\n\n      // about X\nstate X:R[ d ]\n   dX=( - X\n      +  1 )dt +σ dW\ncost=E[|X|²]}\n\n\n";
    insta::assert_snapshot!(formatted("messy.soc", &messy, Mode::Keep));
}

#[test]
fn no_deletion_of_a_token_panics() {
    for (name, text) in texts() {
        let mut sink = Sink::new();
        let tree = syntax::parse(&text, 1, &mut sink);
        // Item by item: what one of them breaks does not depend on the others.
        for item in &tree.items {
            let item = &text[item.span.start as usize - 1..item.span.end as usize - 1];
            for (start, end) in rough_tokens(item) {
                let broken = format!("{}{}", &item[..start], &item[end..]);
                check_broken(&name, &broken);
            }
        }
    }
}

/// A text that may be broken ends in worded errors or is one that the printer keeps.
fn check_broken(name: &str, text: &str) {
    let mut sources = SourceMap::new();
    let base = sources.add(name, text);
    let mut sink = Sink::new();
    syntax::parse(text, base, &mut sink);
    let clean = sink.is_empty();
    let shown = render(&sink.into_reports(), &sources);
    assert!(clean != shown.contains("soc::"), "{shown}");
    assert!(!shown.contains("Failed to read"), "{shown}");
    if clean {
        syntax::format(text, base, Mode::Ascii).expect("what parses is printed");
    }
}

/// Words, and single characters otherwise: near enough to tokens for breaking texts.
fn rough_tokens(text: &str) -> Vec<(usize, usize)> {
    let mut tokens: Vec<(usize, usize)> = Vec::new();
    let mut in_word = false;
    for (at, letter) in text.char_indices() {
        let word = letter.is_alphanumeric();
        let end = at + letter.len_utf8();
        match tokens.last_mut() {
            Some(last) if word && in_word => last.1 = end,
            _ if letter.is_whitespace() => {}
            _ => tokens.push((at, end)),
        }
        in_word = word;
    }
    tokens
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_soup_panics(words in proptest::collection::vec(proptest::sample::select(SOUP), 0..60)) {
        for joint in [" ", ""] {
            let text = words.join(joint);
            let mut sources = SourceMap::new();
            let base = sources.add("soup.soc", text.as_str());
            let mut sink = Sink::new();
            syntax::parse(&text, base, &mut sink);
            if sink.is_empty() {
                for mode in [Mode::Keep, Mode::Ascii, Mode::Unicode] {
                    let once = syntax::format(&text, base, mode).expect("what parses is printed");
                    let again = syntax::format(&once, base, mode).expect("what is printed parses");
                    assert_eq!(once, again);
                }
            } else {
                render(&sink.into_reports(), &sources);
            }
        }
    }

    #[test]
    fn no_expression_changes_meaning(text in expression(4)) {
        let text = format!("let a(x, y) = {text}");
        let mut sink = Sink::new();
        let tree = syntax::parse(&text, 1, &mut sink);
        assert!(sink.is_empty(), "{text}: {:?}", sink.into_reports());
        let meaning = syntax::dump(&tree);
        let ascii = formatted("ascii", &text, Mode::Ascii);
        let unicode = formatted("unicode", &ascii, Mode::Unicode);
        assert_eq!(dump_of("back", &unicode), meaning);
        assert_eq!(formatted("twice", &unicode, Mode::Unicode), unicode);
        assert_eq!(formatted("twice", &ascii, Mode::Ascii), ascii);
    }
}

/// Expressions in all spellings, with parentheses only where the grammar asks for them.
fn expression(depth: u32) -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let tight = proptest::sample::select(vec![
        "x", "σ", "y_hat", "2", "½", "E[x]", "P.λ", "f(x, t)", "A[1]", "-x", "x²", "x^2",
    ]);
    tight.prop_map(str::to_owned).prop_recursive(depth, 24, 3, |inner| {
        let one = (
            proptest::sample::select(vec![
                "(@)",
                "√(@)",
                "sqrt(@)",
                "|@|",
                "|@|²",
                "norm2(@)",
                "norm(@)^3",
                "(@)'",
                "transpose(@)",
                "(@)⁻¹",
                "inv(@)",
                "inv_transpose(@)",
                "(@)⁻ᵀ",
                "(@)^2",
                "(@)²",
                "√(@)²",
                "mean[t] (@)",
                "Σ[i = 1..n] (@)",
                "∂[s] (@)",
                "partial[s] f(@)",
                "∫ (@) dt",
                "int[0..t] (@) ds",
                "∫ (@)·dW",
                "int (@) dot dW(t)",
                "sqrt(@)'",
                "sqrt(@)^2",
                "inv(@)²",
                "-(@)",
                "not (@)",
                "E[@]",
                "∇f(@)",
                "grad f(@)'",
                "if @ then @ else @",
                "(z) => @",
            ]),
            inner.clone(),
        )
            .prop_map(|(form, part)| {
                let loose = form.starts_with("if") || form.starts_with("(z)") || form.starts_with("not");
                let text = form.replace('@', &part);
                if loose { format!("({text})") } else { text }
            });
        let two = (
            proptest::sample::select(vec![
                "(@)*(#)",
                "dot(@, #)",
                "(@)·(#)",
                "dot(@, #)*2",
                "2·dot(@, #)",
                "((@) + (#))",
                "((@) ≤ (#))",
                "((@) != (#))",
                "dot(@, #)'",
                "dot(@, #)²",
                "√dot(@, #)",
                "f(@, y = #)",
                "[@, #]",
                "(@)/(#)",
                "((@) and (#))",
            ]),
            inner.clone(),
            inner,
        )
            .prop_map(|(form, left, right)| form.replace('@', &left).replace('#', &right));
        prop_oneof![one, two]
    })
}

const SOUP: &[&str] = &[
    "let", "a", "=", "1", "(", ")", "[", "]", "{", "}", ",", "+", "-", "*", "·", "∫", "dt", "dW", "E[", "√", "|", "²",
    "'", "^", "∇", "∂", "[s]", "x", "loss", "problem", "train", "measure", "plot", "sweep", "in", "..", "over", "by",
    "minimize", "path", "of", "under", "use", "P", ".", "requires", "return", "net", "->", "R", ":", "~", "=>", "if",
    "then", "else", "\"", "//", "\n", "⁻¹", "⁻ᵀ", "Σ", "mean[t]", "½", "σ", "X(0)", "dX", "and", "not", "with", "_",
    "#",
];

#[test]
fn long_files_parse() {
    let program = std::fs::read_to_string("tests/lang/ok/losses.soc").expect("readable");
    let mut text = String::new();
    while text.lines().count() < 1000 {
        text.push_str(&program);
    }
    let mut sink = Sink::new();
    let tree = syntax::parse(&text, 1, &mut sink);
    assert!(sink.is_empty() && tree.items.len() > 10);
}

#[test]
fn no_depth_overflows() {
    let many = 20_000;
    let deep = [
        format!("let a = {}1", "1 + ".repeat(many)),
        format!("let a = {}1", "2*".repeat(many)),
        format!("let a = {}1", "2^".repeat(many)),
        format!("let a = {}b", "-".repeat(many)),
        format!("let a = {}b", "not ".repeat(many)),
        format!("let a = {}b", "∇".repeat(many)),
        format!("let a = {}b", "if c then d else ".repeat(many)),
        format!("let a = {}b dt", "∫ ".repeat(many)),
        format!("let a = {}b", "mean[t] ".repeat(many)),
        format!("let a = {}b", "∂[t] ".repeat(many)),
        format!("let a = b{}", "'".repeat(many)),
        format!("let a = b{}", ".c".repeat(many)),
        format!("let a = {}b{}", "|".repeat(many), "|".repeat(many)),
        format!("let a = {}b", "(x) => ".repeat(many)),
        format!("let a: {}b", "() -> ".repeat(many)),
        format!("let a = b{}", " and b".repeat(many)),
        "let a = 1\n".repeat(many),
    ];
    for text in deep {
        let shown = errors_of("deep.soc", &text);
        assert!(shown.len() < 4000, "{}: {}", &text[..20], shown.len());
        if !text.ends_with('\n') {
            assert!(shown.contains("soc::nesting"), "{}: {shown}", &text[..20]);
        }
    }
    let brackets = format!("let a = {}b{}", "(".repeat(127), ")".repeat(127));
    assert_eq!(errors_of("brackets.soc", &brackets), "");
}
