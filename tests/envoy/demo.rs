//! The demonstration shows what it promises, and leaves nothing behind.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

const DEMO: &str = env!("CARGO_BIN_EXE_demo");

/// A whole run of it. A run that does not end is ended, and has failed.
fn demonstrate(arguments: &[&str]) -> Output {
    Command::new("timeout").args(["120", DEMO]).args(arguments).output().expect("it runs")
}

/// The values in a row of the table.
fn row(output: &Output, name: &str) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let line = line.unwrap_or_else(|| panic!("no row {name:?} in\n{text}"));
    line.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_demonstration_loses_calls_without_podpin_and_none_with_it() {
    let output = demonstrate(&[]);
    let lost = row(&output, "calls lost");
    assert_ne!(lost[0], "0");
    assert_eq!(lost[1], "0");
    assert_eq!(row(&output, "calls that found theirs")[1], "600");
    let p99 = row(&output, "p99");
    assert!(p99[1].strip_suffix("ms").unwrap().parse::<f64>().unwrap() > 0.0, "{p99:?}");
    let lost: usize = row(&output, "sessions lost")[0].parse().unwrap();
    assert!((1..30).contains(&lost), "{lost}");
    assert_eq!(row(&output, "clients that work"), ["30", "of", "30"]);
    let readme = fs::read_to_string(kit::root().join("README.md")).unwrap();
    let shown = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    assert_eq!(words(shown.unwrap()), words(&String::from_utf8_lossy(&output.stdout)));
}

/// What a page shows of an output and each run prints alike: its lines, but for what was measured.
fn words(output: &str) -> Vec<String> {
    let measured = |word: &&str| *word != "-" && !word.contains(|sign: char| sign.is_ascii_digit());
    let lines = output
        .lines()
        .map(|line| line.split_whitespace().filter(measured).collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_demonstration_with_a_redis_loses_no_call() {
    let output = demonstrate(&["redis"]);
    assert_eq!(row(&output, "calls lost"), ["0", "0", "0"]);
    assert_eq!(row(&output, "calls that found theirs"), ["150", "150", "150"]);
}

#[test]
fn the_demonstration_with_sealed_ids_loses_no_call() {
    let output = demonstrate(&["sealed"]);
    assert_eq!(row(&output, "calls lost"), ["0", "0", "0"]);
    assert_eq!(row(&output, "calls that found theirs"), ["150", "150", "150"]);
}

#[test]
fn what_the_main_example_says_to_try_works() {
    try_out("envoy.yaml");
}

#[test]
fn what_the_example_with_a_redis_says_to_try_works() {
    try_out("redis.yaml");
}

/// With a token that its issuer would give out.
#[test]
fn what_the_example_with_tokens_says_to_try_works() {
    try_out("identity.yaml");
}

#[test]
fn a_mistake_in_an_example_is_shown() {
    let example = fs::read_to_string(kit::root().join("envoy/envoy.yaml")).unwrap();
    let mistaken = tempfile::NamedTempFile::new().unwrap();
    fs::write(&mistaken, example.replace(r#""replicas": 3"#, r#""replicas": 0"#)).unwrap();
    let output = demonstrate(&["up", mistaken.path().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    let wanted = "configuration refused: workload.replicas: 0 is outside 1..=10000\n";
    assert!(said.contains(wanted), "{said}");
}

/// Runs the printed commands as a visitor would, then ends it as Ctrl-C does.
fn try_out(example: &str) {
    let mut demo = Running::start(example);
    let said: Vec<_> = demo
        .lines
        .by_ref()
        .map(Result::unwrap)
        .take_while(|line| !line.contains("Ctrl-C"))
        .collect();
    let children = demo.children();
    assert!(!children.is_empty());

    let mut commands: Vec<_> = said.iter().filter_map(|line| line.strip_prefix("  ")).collect();
    assert_eq!(commands.len(), 3, "{said:#?}");
    commands.insert(0, "set -eu");
    let tried = Command::new("bash").args(["-c", &commands.join("\n")]).output().unwrap();
    let response = String::from_utf8_lossy(&tried.stdout);
    assert!(response.contains(r#""text":"myserver-"#), "{response}");
    let logged = demo.lines.by_ref().map(Result::unwrap).filter(|line| !line.is_empty());
    for (line, decision) in logged.take(3).zip(["bound", "steered", "steered"]) {
        assert!(line.contains(&format!("decision={decision} pod=myserver-")), "{line}");
    }

    let admin = said.iter().find_map(|line| line.strip_prefix("Envoy's admin page is"));
    ask_as_the_pages_say(admin.unwrap().trim().strip_prefix("http://").unwrap());

    demo.interrupt();
    let start = Instant::now();
    while children.iter().any(|child| fs::exists(format!("/proc/{child}")).unwrap()) {
        assert!(start.elapsed() < Duration::from_secs(60), "one of {children:?} is left behind");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What the documentation asks of the admin interface, which it has where the examples have it.
fn ask_as_the_pages_say(admin: &str) {
    let pages = ["docs/envoy.md", "docs/operations.md"];
    let pages = pages.map(|page| fs::read_to_string(kit::root().join(page)).unwrap()).concat();
    let commands: Vec<_> = pages.lines().filter(|line| line.starts_with("curl -s ")).collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
    let mut said = String::new();
    for command in commands {
        assert!(command.contains("http://127.0.0.1:9901/"), "{command}");
        let command = command.replace("127.0.0.1:9901", admin).replace("curl ", "curl --fail ");
        let output = Command::new("bash").args(["-c", &command]).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{command}: {output:?}");
        said += &String::from_utf8_lossy(&output.stdout);
    }
    for wanted in ["podpin_bound_total: 1\n", "podpin_version: ", "wasm: debug", "wasm: info"] {
        assert!(said.contains(wanted), "no {wanted:?} in {said}");
    }
}

/// An example that runs, and ends with this.
struct Running {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(example: &str) -> Self {
        let mut process = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "timeout", "120", DEMO, "up", example])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// All that it has started, and it itself, by process id.
    fn children(&self) -> Vec<String> {
        let (mut all, mut next) = (Vec::new(), vec![self.process.id().to_string()]);
        while let Some(parent) = next.pop() {
            for task in fs::read_dir(format!("/proc/{parent}/task")).unwrap() {
                let children = fs::read_to_string(task.unwrap().path().join("children")).unwrap();
                next.extend(children.split_whitespace().map(str::to_owned));
            }
            all.push(parent);
        }
        all.retain(|process| *process != self.process.id().to_string());
        all
    }

    fn interrupt(&mut self) {
        let interrupt = ["-INT".to_owned(), self.process.id().to_string()];
        assert!(Command::new("kill").args(interrupt).status().unwrap().success());
        self.process.wait().expect("it ends");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = Command::new("kill").arg(self.process.id().to_string()).output();
        let _ = self.process.wait();
    }
}
