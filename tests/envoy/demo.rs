//! The demonstration shows what it promises, and leaves nothing behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

const DEMO: &str = env!("CARGO_BIN_EXE_demo");

#[test]
fn the_demonstration_loses_calls_without_podpin_and_none_with_it() {
    let output = Command::new(DEMO).output().expect("the demonstration runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let row = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let line = line.unwrap_or_else(|| panic!("no row {name:?} in\n{text}"));
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let lost = row("calls lost");
    assert_ne!(lost[0], "0");
    assert_eq!(lost[1], "0");
    assert_eq!(row("calls that found theirs")[1], "600");
    assert!(row("p99")[1].parse::<f64>().is_ok(), "{text}");
}

/// Runs the printed commands as a visitor would, then ends it as Ctrl-C does.
#[test]
fn what_the_running_set_up_says_to_try_works_and_ctrl_c_ends_everything() {
    let mut demo =
        Command::new(DEMO).arg("up").stdout(Stdio::piped()).spawn().expect("the set-up runs");
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let said: Vec<_> =
        lines.by_ref().take_while(|line| !line.contains("Ctrl-C ends everything")).collect();
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", demo.id())).unwrap();
    let envoy: u32 = children.trim().parse().expect("Envoy is its one child");

    let mut commands: Vec<_> = said.iter().filter_map(|line| line.strip_prefix("  ")).collect();
    assert_eq!(commands.len(), 3, "{said:#?}");
    commands.insert(0, "set -eu");
    let tried = Command::new("bash").args(["-c", &commands.join("\n")]).output().unwrap();
    let answer = String::from_utf8_lossy(&tried.stdout);
    assert!(answer.contains(r#""text":"myserver-"#), "{answer}");
    let logged: Vec<_> = lines.by_ref().filter(|line| !line.is_empty()).take(3).collect();
    for (line, decision) in logged.iter().zip(["bound", "steered", "steered"]) {
        assert!(line.contains(&format!("decision={decision} pod=myserver-")), "{line}");
    }

    let interrupt = ["-INT".to_owned(), demo.id().to_string()];
    assert!(Command::new("kill").args(interrupt).status().unwrap().success());
    assert!(demo.wait().unwrap().success());
    let start = std::time::Instant::now();
    while fs::exists(format!("/proc/{envoy}")).unwrap() {
        assert!(start.elapsed() < Duration::from_secs(60), "Envoy is left behind");
        std::thread::sleep(Duration::from_millis(5));
    }
}
