//! What the pages for reporters, contributors and upgraders say of the source is so.

use std::collections::BTreeSet;

use kit::root;

use super::{column, read, snippets};

const PAGES: [&str; 3] = ["SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"];

/// What stands in single backticks.
fn spans(page: &str) -> impl Iterator<Item = &str> {
    let prose = page.split("```").step_by(2);
    prose.flat_map(|text| text.split('`').skip(1).step_by(2))
}

#[test]
fn every_test_that_the_page_on_security_names_is_one() {
    let page = read("SECURITY.md");
    let named = spans(&page).filter_map(|span| span.split_once("::"));
    let named: BTreeSet<_> = named.filter(|(file, _)| file.contains('/')).collect();
    assert!(named.len() > 80, "{} tests", named.len());
    for (file, name) in named {
        assert!(has_test(file, name), "{file} has no test {name}");
    }
}

/// Whether a file has a test of this name. Of a scenario the table of scenarios makes tests.
fn has_test(file: &str, name: &str) -> bool {
    let text = read(file);
    if file.ends_with("_test.go") {
        return name.starts_with("Test")
            && text.contains(&format!("\nfunc {name}(t *testing.T) {{"));
    }
    if file.starts_with("tests/kit/scenarios/") {
        let is_listed = read("tests/kit/scenarios.rs").contains(&format!(" {name},\n"));
        return is_listed && text.contains(&format!("\npub fn {name}<"));
    }
    let mut is_test = false;
    for line in text.lines().map(str::trim_start) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        if let Some(function) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ") {
            if is_test && function.split('(').next() == Some(name) {
                return true;
            }
            is_test = false;
        }
    }
    false
}

#[test]
fn every_claim_of_the_page_on_security_is_shown_by_a_test() {
    let page = read("SECURITY.md");
    let mut claims = 0;
    for part in page.split("\n**What ").skip(1) {
        let mut paragraphs = part.split("\n\n");
        let heading = paragraphs.next().unwrap_or_default();
        if heading.contains("cannot") {
            for claim in paragraphs.next().unwrap_or_default().split("\n- ") {
                assert!(claim.contains("::"), "no test shows that: {claim}");
                claims += 1;
            }
        }
    }
    assert!(claims > 40, "{claims} claims");
}

#[test]
fn the_bounds_on_the_page_on_security_are_those_of_the_code() {
    let page = read("SECURITY.md");
    let bounds = column(&page, "Bound", 2);
    assert!(bounds.len() > 20, "{bounds:?}");
    for bound in bounds {
        let (file, constant) = bound.split_once("`: `").expect("a file and a constant");
        let (name, value) = constant.split_once(" = ").expect("a name and a value");
        let (begin, end) = (format!("const {name}: "), format!(" = {value};"));
        let is_it = |line: &str| line.contains(&begin) && line.ends_with(&end);
        assert!(read(file).lines().any(is_it), "{bound}");
    }
}

#[test]
fn commands_for_contributors_are_targets_of_make() {
    let (page, makefile) = (read("CONTRIBUTING.md"), read("Makefile"));
    let blocks = snippets(&page, "sh").into_iter().flat_map(str::lines);
    let commands = blocks.chain(spans(&page)).filter_map(|text| text.strip_prefix("make "));
    let mut targets = BTreeSet::new();
    for command in commands {
        let is_target = |word: &&str| !word.contains(['=', '"']);
        targets.extend(command.split(' ').take_while(is_target));
    }
    assert!(targets.len() > 10, "{targets:?}");
    for target in &targets {
        assert!(makefile.contains(&format!("\n{target}:")), "make {target}");
    }
    for help in makefile.lines().filter(|line| line.contains(": ") && line.contains(" ## ")) {
        let target = help.split(':').next().expect("a target");
        assert!(targets.contains(target), "nothing is said of make {target}");
    }
}

#[test]
fn every_file_that_a_page_names_is_there() {
    for page in PAGES {
        let text = read(page);
        let rooms =
            ["src/", "filter/", "tests/", "fuzz/", "envoy/", "istio/", "docs/", ".ci/", ".github/"];
        let is_path = |span: &&str| {
            rooms.iter().any(|room| span.starts_with(room)) && !span.contains([' ', '<', '*'])
        };
        for path in spans(&text).filter(is_path) {
            let file = path.split("::").next().expect("a file");
            assert!(root().join(file).exists(), "{page} names {file}");
        }
    }
}

#[test]
fn the_changelog_has_the_version_at_hand() {
    let (manifest, changelog) = (read("Cargo.toml"), read("CHANGELOG.md"));
    let version = manifest.lines().find_map(|line| line.strip_prefix("version = "));
    let version = version.expect("a version").trim_matches('"');
    let unreleased = changelog.split("\n## ").find(|section| section.starts_with("[Unreleased]"));
    let is_to_come = unreleased.is_some_and(|section| section.contains(version));
    let is_released = changelog.contains(&format!("\n## [{version}] - "));
    assert!(is_to_come != is_released, "{version}");
}
