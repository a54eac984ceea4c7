//! The texts that people read, as a list: `cargo test -p flotilla-tidy --test texts -- --nocapture` prints it.

use flotilla_tidy::pages::root;
use flotilla_tidy::texts::{self, Text};

/// Words of a former dialect, and the forms that a text does not have.
const NOT_SAID: [&str; 22] = [
    "any more",
    "called off",
    "come back",
    "comes back",
    "go back",
    "goes back",
    "went back",
    "gone back",
    "hurry",
    "is let in",
    "lift the hold",
    "look at",
    "made anew",
    "mend",
    "nobody",
    "somebody",
    "stopped line",
    "the line",
    "told",
    "was let in",
    "way back",
    "whoever",
];

fn all() -> Vec<Text> {
    let root = root();
    let folders = [
        "shared/domain",
        "shared/engine",
        "shared/package",
        "shared/aws",
        "functions/api",
        "scripts/flotilla",
    ];
    folders.iter().flat_map(|folder| texts::of(&root.join(folder).join("src"))).collect()
}

#[test]
fn all_texts_are_plain() {
    let all = all();
    for Text { place, text } in &all {
        println!("{place}: {text}");
    }
    assert!(all.len() > 400, "only {} texts were found", all.len());
    let mut wrong = Vec::new();
    for Text { place, text } in &all {
        let padded = format!(" {} ", text.to_lowercase().replace(|c: char| !c.is_alphanumeric(), " "));
        for said in NOT_SAID.iter().filter(|word| padded.contains(&format!(" {word} "))) {
            wrong.push(format!("{place}: says {said:?}: {text}"));
        }
        if text.ends_with('.') && !text.ends_with("..") {
            wrong.push(format!("{place}: ends with a full stop: {text}"));
        }
        if text.trim() != text.trim_end_matches('\n') {
            wrong.push(format!("{place}: begins or ends with a space: {text:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
