//! What the module asks of Envoy and of the system.

use std::collections::BTreeSet;
use std::process::Command;

use kit::native::MODULE;
use kit::root;

/// What the module needs of whoever loads it.
fn undefined() -> Vec<String> {
    let output =
        Command::new("nm").args(["-D", "--undefined-only"]).arg(root().join(MODULE)).output();
    let output = output.expect("nm, of Debian's package binutils");
    assert!(output.status.success(), "make native");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect()
}

/// One that it lacks, and Envoy refuses the whole module.
#[test]
fn the_oldest_envoy_has_every_callback() {
    let known = include_str!("../fixtures/envoy-1.39.3-callbacks.txt");
    let known: BTreeSet<_> = known.lines().collect();
    let undefined = undefined();
    let prefix = "envoy_dynamic_module_callback_";
    let wanted: Vec<_> = undefined.iter().filter_map(|name| name.strip_prefix(prefix)).collect();
    assert!(wanted.len() > 30, "{wanted:?}");
    for name in wanted {
        assert!(known.contains(name), "{name}");
    }
    let others = undefined.iter().filter(|name| name.starts_with("envoy_"));
    assert!(others.clone().all(|name| name.starts_with(prefix)), "{undefined:?}");
}

/// As the page on the module says.
#[test]
fn no_newer_glibc_is_needed_than_the_page_says() {
    let version = |text: &str| {
        let mut parts = text.split('.').map(|part| part.parse::<u32>().expect("a number"));
        (parts.next(), parts.next())
    };
    let needed = undefined()
        .into_iter()
        .filter_map(|name| name.split_once("@GLIBC_").map(|(_, of)| version(of)));
    let newest = needed.max().expect("it needs glibc");
    assert!(newest <= version("2.35"), "{newest:?}");
}
