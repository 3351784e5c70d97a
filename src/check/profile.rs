//! Profiles: named values in place of those of the file, with expectations of their own.

use miette::Diagnostic;
use thiserror::Error;

use super::overrides::{Place, Refused, find_place, place_value};
use crate::diagnostic::{Sink, nearest};
use crate::source::{Name, Span, fold};
use crate::syntax::tree::{ChangeKind, Expr, File, Item, ItemKind, Profile};

#[derive(Debug, Error, Diagnostic)]
#[error("expected a profile of the file after `--with`, found `{name}`")]
#[diagnostic(code("soc::override"), help("{help}"))]
struct UnknownProfile {
    name: String,
    help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("expected something that can be set in the profile `{profile}`, found `{name}`")]
#[diagnostic(code("soc::setting"), help("{help}"))]
struct NothingToSet {
    profile: String,
    name: String,
    #[label("names nothing that can be set")]
    at: Span,
    #[label("a function in the file")]
    function: Option<Span>,
    help: String,
}

#[derive(Debug, Error, Diagnostic)]
#[error("the profile `{name}` is given twice")]
#[diagnostic(code("soc::setting"), help("call one of them differently"))]
struct ProfileTwice {
    name: String,
    #[label("again here")]
    second: Span,
    #[label("first here")]
    first: Span,
}

/// The names of a file's profiles, in order.
pub fn profiles(entry: &File) -> Vec<&Name> {
    entry.items.iter().filter_map(|item| Some(&profile_of(item)?.name)).collect()
}

fn profile_of(item: &Item) -> Option<&Profile> {
    if let ItemKind::Profile(profile) = &item.kind { Some(profile) } else { None }
}

/// Puts the values of a profile in the place of the file's own; its expectations take the place of all of the file's.
/// An unknown name goes to `sink`; what else may be wrong with a profile is reported when the file is checked.
pub fn apply_profile(entry: &mut File, name: &str, sink: &mut Sink) {
    let key = fold(name);
    let Some(profile) = entry.items.iter().filter_map(profile_of).find(|profile| profile.name.key == key).cloned()
    else {
        let known = profiles(entry);
        let texts: Vec<String> = known.iter().map(|one| format!("`{one}`")).collect();
        let help = match nearest(name, known.iter().map(|one| &*one.text)) {
            Some(near) => format!("did `{near}` stand here?"),
            None if known.is_empty() => "the file has none: `profile quick { steps 500 }`".to_string(),
            None => format!("the file has {}", texts.join(", ")),
        };
        sink.push(UnknownProfile { name: name.to_string(), help });
        return;
    };
    entry.items.retain(|item| !matches!(item.kind, ItemKind::Expect(_)));
    for change in profile.changes {
        if let ChangeKind::Expect(expect) = change.kind {
            entry.items.push(Item { doc: String::new(), kind: ItemKind::Expect(expect), span: change.span });
            continue;
        }
        for (path, value) in values(&change.kind) {
            if let Ok(place) = find_place(entry, &path) {
                place_value(entry, &place, value.clone());
            }
        }
    }
}

/// Reports profiles of one name and values for what cannot be set.
pub(super) fn check_profiles(entry: &File, sink: &mut Sink) {
    let mut seen: Vec<&Name> = Vec::new();
    for profile in entry.items.iter().filter_map(profile_of) {
        if let Some(first) = seen.iter().find(|first| ***first == profile.name) {
            let name = profile.name.text.to_string();
            sink.push(ProfileTwice { name, second: profile.name.span, first: first.span });
        }
        seen.push(&profile.name);
        for change in &profile.changes {
            for (path, _) in values(&change.kind) {
                let (function, help) = match find_place(entry, &path) {
                    // A profile that swept what the file does not would change what figures and tables must bind.
                    Ok(Place::Let(_)) if matches!(change.kind, ChangeKind::Sweep(_)) => {
                        (None, format!("`{path}` is not swept in the file: give it a value, `let {path} = …`"))
                    }
                    Ok(_) => continue,
                    Err(Refused::Unknown(help)) => (None, help),
                    Err(Refused::Function(at)) => {
                        (Some(at), "a profile gives values; let the function use a number that can be set".to_string())
                    }
                };
                let profile = profile.name.text.to_string();
                sink.push(NothingToSet { profile, name: path, at: change.span, function, help });
            }
        }
    }
}

/// What a change gives a value, as `--set` would name it.
fn values(change: &ChangeKind) -> Vec<(String, &Expr)> {
    match change {
        ChangeKind::Set(path, value) => {
            let words: Vec<&str> = path.iter().map(|word| &*word.text).collect();
            vec![(words.join("."), value)]
        }
        ChangeKind::Let(one) => vec![(one.name.text.to_string(), &one.value)],
        ChangeKind::Sweep(axes) => axes.iter().map(|axis| (axis.name.text.to_string(), &axis.values)).collect(),
        ChangeKind::Expect(_) => Vec::new(),
    }
}
