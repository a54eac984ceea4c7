//! The pages: links lead to pages and headings that exist, and every page can be found.

use flotilla_tidy::pages::{self, root};
use std::path::{Component, Path, PathBuf};

/// The page without its fenced blocks, in which `](` and `#` mean other things.
fn prose(page: &str) -> String {
    let mut fenced = false;
    let lines = page.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(page: &str) -> Vec<String> {
    let slug = |heading: &str| {
        let kept = heading.trim().to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().replace(' ', "-")
    };
    let mut found: Vec<String> = Vec::new();
    for heading in page.lines().filter(|line| line.starts_with('#')) {
        let base = slug(heading.trim_start_matches('#'));
        let again = found.iter().filter(|anchor| **anchor == base).count();
        found.push(if again == 0 { base } else { format!("{base}-{again}") });
    }
    found
}

/// The targets of a page's links.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// A path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[test]
fn actions_are_pinned_by_the_digest_of_a_commit() {
    let mut found = 0;
    for (path, page) in &pages::all() {
        for line in page.lines().filter(|line| line.contains("uses: ") && line.contains('@')) {
            let pinned =
                line.split('@').nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
            let is_digest = pinned.len() == 40 && pinned.bytes().all(|b| b.is_ascii_hexdigit());
            assert!(is_digest, "{}: {line}: a tag can be moved to other code", path.display());
            found += 1;
        }
    }
    assert!(found > 0, "no page uses an action");
}

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    let pages = pages::all();
    for (path, page) in &pages {
        let page = prose(page);
        for link in links(&page).filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => plain(&path.parent().unwrap_or(Path::new("")).join(file)),
            };
            assert!(root().join(&target).exists(), "{}: no file for {link}", path.display());
            if anchor.is_empty() {
                continue;
            }
            let text = pages.get(&target).unwrap_or_else(|| panic!("{}: {link} is no page", path.display()));
            let known = anchors(&prose(text)).iter().any(|known| known == anchor);
            assert!(known, "{}: no heading for {link}", path.display());
        }
    }
}

#[test]
fn every_page_is_linked_from_another_one() {
    let pages = pages::all();
    let mut linked: Vec<PathBuf> = vec!["README.md".into()];
    for (path, page) in &pages {
        let folder = path.parent().unwrap_or(Path::new(""));
        let files = links(page).filter_map(|link| link.split('#').next()).filter(|file| !file.is_empty());
        linked.extend(files.map(|file| plain(&folder.join(file))).filter(|target| target != path));
    }
    let lost: Vec<_> = pages.keys().filter(|page| !linked.contains(page)).collect();
    assert!(lost.is_empty(), "no page links to {lost:?}");
}

#[test]
fn headings_become_anchors_as_on_github() {
    let page = "# One, two\n## `a` & b's\n## One, two\n";
    assert_eq!(anchors(page), ["one-two", "a--bs", "one-two-1"]);
}
