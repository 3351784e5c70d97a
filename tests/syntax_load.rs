//! Files: what a program may read, and in which order its modules come.

#![allow(clippy::disallowed_methods, reason = "the files to read are laid out here")]

use std::fs;
use std::path::Path;

use socrun::diagnostic::{Sink, render};
use socrun::source::SourceMap;
use socrun::syntax::{Entry, ParsedModule, load_all};

fn load(folder: &Path, entry: &str) -> (Vec<ParsedModule>, String) {
    let mut sources = SourceMap::new();
    let mut sink = Sink::new();
    let path = folder.join(entry);
    let modules = load_all(&mut sources, Entry::File(&path), &mut sink);
    let shown = render(&sink.into_reports(), &sources);
    // Where a message breaks depends on the length of the folder's name.
    (modules, shown.replace("\n  │ ", " ").replace(&folder.display().to_string(), "DIR"))
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    folder
}

#[test]
fn modules_come_after_what_they_import() {
    let folder = folder(&[
        ("main.soc", "use \"lib/a.soc\".{a}\nuse \"lib/b.soc\".{b}\nlet c = a + b"),
        ("lib/a.soc", "use \"b.soc\".{b}\nlet a = b"),
        ("lib/b.soc", "let b = 1"),
    ]);
    let (modules, shown) = load(folder.path(), "main.soc");
    assert_eq!(shown, "");
    let names: Vec<_> = modules.iter().map(|module| module.path.rsplit('/').next().expect("a name")).collect();
    assert_eq!(names, ["b.soc", "a.soc", "main.soc"]);
    assert_eq!(modules[1].imports, [(0, 0)]);
    assert_eq!(modules[2].imports, [(0, 1), (1, 0)]);
}

#[test]
fn circles_show_their_chain() {
    let folder = folder(&[
        ("a.soc", "use \"b.soc\".{b}\nlet a = 1"),
        ("b.soc", "let b = 1\nuse \"c.soc\".{c}"),
        ("c.soc", "use \"a.soc\".{a}\nlet c = 1"),
    ]);
    let (_, shown) = load(folder.path(), "a.soc");
    insta::assert_snapshot!(shown);
}

#[test]
fn nothing_outside_the_root_is_read() {
    let folder = folder(&[
        ("in/main.soc", "use \"../out.soc\".{a}\nuse \"/etc/passwd\".{b}\nuse \"link.soc\".{a}"),
        ("out.soc", "let a = 1"),
    ]);
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path().join("out.soc"), folder.path().join("in/link.soc")).expect("a link");
    let (modules, shown) = load(folder.path(), "in/main.soc");
    assert_eq!(modules.len(), 1);
    insta::assert_snapshot!(shown);
}

#[test]
fn missing_files_and_names() {
    let folder = folder(&[
        ("main.soc", "use \"none.soc\".{a}\nuse \"lib.soc\".{sigm}\nuse std.nowhere.{a}\nuse P.{b}"),
        ("lib.soc", "let σ = 1"),
    ]);
    let (_, shown) = load(folder.path(), "main.soc");
    let shown = shown.split("help: the library has").next().expect("a part").to_owned();
    insta::assert_snapshot!(shown);
}

#[test]
fn files_that_are_no_texts() {
    let folder = folder(&[("empty.soc", "")]);
    fs::write(folder.path().join("latin.soc"), b"let a = 1\nlet b = \"caf\xe9\"\n").expect("written");
    fs::write(folder.path().join("open.soc"), "(".repeat(10 << 20)).expect("written");
    fs::write(folder.path().join("deep.soc"), format!("let a = {}", "(".repeat(3 << 20))).expect("written");
    let (modules, shown) = load(folder.path(), "empty.soc");
    assert_eq!((modules.len(), shown.as_str()), (1, ""));
    let start = std::time::Instant::now();
    let mut all = String::new();
    for name in ["latin.soc", "open.soc", "deep.soc", "none.soc", "."] {
        all.push_str(&load(folder.path(), name).1);
    }
    assert!(start.elapsed().as_secs() < 2, "refused, but slowly");
    insta::assert_snapshot!(all);
}
