//! What differs between an experiment that was interrupted and the one that is asked for.

use super::journal::Head;

/// Lines shown before the rest is counted.
const MOST: usize = 24;

/// The differing lines of the two texts, `-` before and `+` now, and the facts that differ.
pub(super) fn difference(before: &Head, now: &Head) -> String {
    let mut lines = Vec::new();
    if before.socrun != now.socrun {
        lines.push(format!("socrun: {} before, {} now", before.socrun, now.socrun));
    }
    let old: Vec<&str> = before.text.lines().collect();
    let new: Vec<&str> = now.text.lines().collect();
    lines.extend(changed_lines(&old, &new));
    let of = |facts: &[(String, String)], name: &str| {
        facts.iter().find(|(known, _)| known == name).map_or("nothing", |(_, value)| value).to_owned()
    };
    for (name, _) in
        before.facts.iter().chain(now.facts.iter().filter(|(name, _)| of(&before.facts, name) == "nothing"))
    {
        let (then, today) = (of(&before.facts, name), of(&now.facts, name));
        if then != today {
            lines.push(format!("{name}: {} before, {} now", shown(&then), shown(&today)));
        }
    }
    let more = lines.len().saturating_sub(MOST);
    lines.truncate(MOST);
    if more > 0 {
        lines.push(format!("… and {more} more lines"));
    }
    lines.join("\n")
}

fn shown(value: &str) -> &str {
    if value.is_empty() { "nothing" } else { value.get(..16).filter(|_| value.len() == 64).unwrap_or(value) }
}

/// The lines that are not common to both, in order.
fn changed_lines(old: &[&str], new: &[&str]) -> Vec<String> {
    let same = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[same..], &new[same..]);
    let tail = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[..old.len() - tail], &new[..new.len() - tail]);
    // The longest common subsequence of what is left, from the back.
    let mut longest = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i][j] =
                if old[i] == new[j] { longest[i + 1][j + 1] + 1 } else { longest[i + 1][j].max(longest[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && longest[i + 1][j] >= longest[i][j + 1] {
            lines.push(format!("- {}", old[i].trim_end()));
            i += 1;
        } else {
            lines.push(format!("+ {}", new[j].trim_end()));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str, seed: &str) -> Head {
        let facts = vec![("seed".into(), seed.into()), ("--with".into(), String::new())];
        Head { socrun: "1".into(), hash: text.into(), facts, text: text.into() }
    }

    #[test]
    fn lines_and_facts_that_differ_are_shown_in_order() {
        let before = head("a\nb\nc\nd\n", "0");
        let now = head("a\nB\nc\nd\ne\n", "3");
        assert_eq!(difference(&before, &now), "- b\n+ B\n+ e\nseed: 0 before, 3 now");
        let mut quick = head("a\nb\nc\nd\n", "0");
        quick.facts =
            vec![("seed".into(), "0".into()), ("--with".into(), "quick".into()), ("--set d".into(), "5".into())];
        assert_eq!(difference(&before, &quick), "--with: nothing before, quick now\n--set d: nothing before, 5 now");
        let long = vec!["line"; 100].join("\n");
        assert!(difference(&before, &head(&long, "0")).ends_with("… and 80 more lines"));
    }
}
