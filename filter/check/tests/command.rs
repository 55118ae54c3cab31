//! The command that says what is wrong with a configuration.

#![expect(clippy::expect_used, reason = "a test that fails")]

use std::io::Write;
use std::process::{Command, Stdio};

/// Exit code, standard output and standard error.
fn check(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_podpin-check"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    // One that does not read its input has ended by now.
    let _ = process.stdin.take().expect("its input").write_all(input.as_bytes());
    let output = process.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_right_configuration_is_told_with_what_it_does() {
    let config = r#"{"scope": "default/other", "steer": "endpoint", "placement": {"eject": "5s"}}"#;
    let told = "serves default/other by endpoint in x-podpin-endpoint\n\
                placement.eject has no effect here\n";
    assert_eq!(check(&["-"], config), (Some(0), told.to_owned(), String::new()));
}

#[test]
fn every_mistake_is_on_a_line_of_its_own_and_none_shows_a_secret() {
    let config =
        r#"{"scope": "a", "steer": "guess", "colour": "blue", "store": "{\"token\":\"s3cret\"}"}"#;
    let (code, out, mistakes) = check(&["-"], config);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let begin: Vec<_> =
        mistakes.lines().map(|line| line.split(':').next().unwrap_or_default()).collect();
    assert_eq!(begin, ["steer", "store", "colour"], "{mistakes}");
    assert!(!mistakes.contains("s3cret"), "{mistakes}");
}

/// Whoever follows the page on the configuration sees what it shows.
#[test]
fn the_commands_of_the_documentation_print_what_it_shows() {
    let page = include_str!("../../../docs/configuration.md");
    let mut inputs = page
        .lines()
        .filter_map(|line| line.strip_prefix("echo '")?.strip_suffix("' | dist/podpin-check -"));
    let (right, wrong) = inputs.next().zip(inputs.next()).expect("two commands");
    assert_eq!(check(&["-"], right).0, Some(0));
    let shown = page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    let (code, out, mistakes) = check(&["-"], wrong);
    assert_eq!((code, out.as_str(), Some(mistakes.as_str())), (Some(1), "", shown));
}

#[test]
fn what_cannot_be_read_is_said() {
    for arguments in [&[][..], &["a", "b"]] {
        let (code, _, usage) = check(arguments, "");
        assert_eq!(code, Some(2));
        assert!(usage.starts_with("podpin-check FILE"), "{usage}");
    }
    let (code, _, error) = check(&["/no/such/file"], "");
    assert_eq!(code, Some(2));
    assert!(error.starts_with("/no/such/file: "), "{error}");
}
