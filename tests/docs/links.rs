//! Every relative link on a page leads to a file, and every anchor to a heading.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use kit::root;

#[test]
fn every_relative_link_leads_somewhere() {
    let mut pages = BTreeMap::new();
    collect(&root(), &mut pages);
    assert!(pages.contains_key(Path::new("istio/example/README.md")), "{:?}", pages.keys());
    let (mut followed, mut astray) = (0, Vec::new());
    for (page, text) in &pages {
        for link in links(text) {
            let is_elsewhere = ["https:", "http:", "mailto:"].iter().any(|s| link.starts_with(s));
            if is_elsewhere {
                continue;
            }
            followed += 1;
            if let Err(reason) = follow(page, &link, &pages) {
                astray.push(format!("{}: {link}: {reason}", page.display()));
            }
        }
    }
    assert!(followed > 100, "{followed}");
    assert!(astray.is_empty(), "{astray:#?}");
}

#[test]
fn links_are_found_and_anchors_are_those_of_the_forge() {
    let text = "See [a `b`](c.md#d), ![e](f.svg)\nand [g](h) but not `[i](j)`.\n```\n[k](l)\n```\n[m\nn](o.md)";
    assert_eq!(links(text), ["c.md#d", "f.svg", "h", "o.md"]);
    let headings = "# A page\n## `b`, c_d & e-f\n## Twice\n```sh\n# no heading\n```\n## Twice\n";
    assert_eq!(anchors(headings), ["a-page", "b-c_d--e-f", "twice", "twice-1"]);
}

/// The pages of a directory and those below, by their paths from the root.
fn collect(directory: &Path, pages: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        // What is built, installed or hidden is nobody's page.
        let is_ours = !name.starts_with('.') && !["target", "dist", "node_modules"].contains(&name);
        if is_ours && path.is_dir() {
            collect(&path, pages);
        } else if is_ours && name.ends_with(".md") {
            let text = fs::read_to_string(&path).expect("a page");
            let path = path.strip_prefix(root()).expect("below the root");
            pages.insert(path.to_owned(), text);
        }
    }
}

/// The lines of a page without those in blocks of code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_block = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        !in_block && !is_fence
    })
}

/// Where the links of a page lead, but for those that are code.
fn links(text: &str) -> Vec<String> {
    let text = prose(text).collect::<Vec<_>>().join("\n");
    // Code may be what a link says, but no link begins within.
    let mut links = Vec::new();
    let mut in_code = false;
    let mut before = ' ';
    for (at, sign) in text.char_indices() {
        in_code ^= sign == '`';
        if before == ']' && sign == '(' && !in_code {
            let target = text[at + 1..].split(')').next().expect("a target");
            links.push(target.to_owned());
        }
        before = sign;
    }
    links
}

/// The anchors that a forge gives a page's headings: lower case, spaces as hyphens, without other
/// punctuation, and numbered where they are there already.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    let mut seen = BTreeMap::new();
    for line in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let title = title.trim().to_lowercase().replace(' ', "-");
        let keep = |sign: &char| sign.is_alphanumeric() || ['-', '_'].contains(sign);
        let anchor: String = title.chars().filter(keep).collect();
        let count = seen.entry(anchor.clone()).and_modify(|count| *count += 1).or_insert(0);
        anchors.push(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
    }
    anchors
}

fn follow(page: &Path, link: &str, pages: &BTreeMap<PathBuf, String>) -> Result<(), String> {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match file {
        "" => page.to_owned(),
        file => resolved(&page.parent().expect("a directory").join(file)),
    };
    if !root().join(&target).exists() {
        return Err("there is no such file".to_owned());
    }
    match pages.get(&target) {
        Some(text) if !anchor.is_empty() && !anchors(text).iter().any(|known| known == anchor) => {
            Err(format!("it has no such heading, but {:?}", anchors(text)))
        }
        _ => Ok(()),
    }
}

/// A path without `..` in it.
fn resolved(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(resolved.pop()),
            Component::Normal(name) => resolved.push(name),
            _ => {}
        }
    }
    resolved
}
