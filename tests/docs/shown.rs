//! What README and `docs/` show: commands that there are, blocks that are taken, lines that are printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use kit::bootstrap::{Bootstrap, MODULE};
use kit::envoy::validate;
use kit::mode::Mode;
use kit::root;
use podpin::config::{Config, Variable};
use podpin::host::Secret;
use podpin::http::Reply;
use podpin::telemetry::Decision;
use serde_json::{Value, json};

use super::{column, read, snippets};

/// README and the pages of `docs/`, by name.
fn pages() -> BTreeMap<String, String> {
    let files = fs::read_dir(root().join("docs")).expect("pages");
    let names = files.map(|file| file.expect("a file").file_name().into_string().expect("a name"));
    let pages = names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}"));
    pages.chain(["README.md".to_owned()]).map(|name| (name.clone(), read(&name))).collect()
}

/// The commands in a page's blocks of shell, one a line unless it goes on in the next.
fn commands(page: &str) -> Vec<String> {
    let blocks = snippets(page, "sh").into_iter().map(|block| block.replace("\\\n", " "));
    blocks.flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// The environment of what the pages show.
fn variable(name: &str) -> Variable {
    match name {
        kit::sealed::KEYS_ENV => Variable::Is(Secret(kit::sealed::keys())),
        _ => Variable::Missing,
    }
}

/// A configuration that is all there is to say, but for what `part` has otherwise.
fn with(part: &Value) -> Value {
    let mut config = json!({"workload": {
        "stateful_set": "myserver", "service": "a", "namespace": "default", "replicas": 3, "port": 1,
    }});
    for (key, value) in part.as_object().expect("an object") {
        config[key] = value.clone();
    }
    config
}

#[test]
fn every_command_of_make_on_a_page_is_one_of_its_targets() {
    let makefile = read("Makefile");
    let mut all = BTreeSet::new();
    for (name, page) in pages() {
        let named = page.split(['`', '\n']).filter_map(|text| text.strip_prefix("make "));
        let named: BTreeSet<_> = named.map(str::trim).collect();
        for command in &named {
            let (target, variable) = command.split_once(' ').unwrap_or((command, ""));
            assert!(makefile.contains(&format!("\n{target}:")), "{name}: make {target}");
            let example = variable.strip_prefix("EXAMPLE=").unwrap_or("envoy.yaml");
            assert!(root().join("envoy").join(example).is_file(), "{name}: {command}");
        }
        all.extend(named.into_iter().map(str::to_owned));
    }
    for command in ["demo", "up", "build", "check"] {
        assert!(all.contains(command), "{all:?}");
    }
}

/// `tests/envoy` runs those of curl, `filter/check` its own, and `tests/istio` those of its pages.
#[test]
fn every_command_of_a_page_is_run_by_a_test() {
    let of_istio = commands(&read("istio/README.md"));
    for (name, page) in pages() {
        for command in commands(&page) {
            let is_run = command.starts_with("make ")
                || command.ends_with(" | dist/podpin-check -")
                || command.starts_with("curl -s ")
                || of_istio.contains(&command);
            assert!(is_run, "{name}: not run by any test: {command}");
        }
    }
}

/// None is added that no test knows.
#[test]
fn every_block_is_one_that_a_test_takes() {
    let mut blocks = BTreeMap::new();
    for (name, page) in pages() {
        let counts = ["json", "yaml"].map(|language| {
            // One within a list is indented.
            page.lines().filter(|line| line.trim() == format!("```{language}")).count()
        });
        blocks.insert(name, counts);
    }
    blocks.retain(|_, counts| *counts != [0, 0]);
    let tested = [
        ("README.md", [0, 2]),
        ("docs/behaviour.md", [1, 0]),
        ("docs/configuration.md", [2, 1]),
        ("docs/modern.md", [4, 1]),
        ("docs/scaling.md", [0, 3]),
        ("docs/stores.md", [2, 0]),
    ];
    assert_eq!(blocks, tested.map(|(name, counts)| (name.to_owned(), counts)).into());
}

#[test]
fn what_the_page_on_the_era_without_sessions_shows_is_a_configuration() {
    let page = read("docs/modern.md");
    for config in snippets(&page, "json") {
        Config::parse(config.as_bytes(), &variable).expect("a right configuration");
    }
}

#[test]
fn the_readme_names_the_minors_of_envoy_that_the_tests_run_on() {
    let makefile = read("Makefile");
    let versions = makefile.lines().find_map(|line| line.strip_prefix("ENVOYS := "));
    let versions = versions.expect("the releases of Envoy").split(' ');
    let minors: Vec<_> = versions.map(|version| version.rsplit_once('.').unwrap().0).collect();
    let [oldest, between @ .., newest] = minors.as_slice() else { panic!("{minors:?}") };
    let sentence = format!(
        "It takes Envoy {oldest} or later; the tests run on {oldest}, {} and {newest}.",
        between.join(", ")
    );
    assert!(read("README.md").contains(&sentence), "{sentence}");
}

/// Whose values and command `tests/istio` takes.
#[test]
fn the_readme_shows_the_least_release_of_the_page_on_istio() {
    let (readme, istio) = (read("README.md"), read("istio/README.md"));
    assert_eq!(snippets(&readme, "yaml")[0], snippets(&istio, "yaml")[0]);
    assert!(istio.contains("Istio 1.28 or later") && readme.contains("Istio 1.28 or later"));
}

/// Envoy takes the main example with its Podpin changed.
fn loads(change: impl FnOnce(&mut Value)) {
    let mut example = Bootstrap::example("envoy.yaml").unwrap();
    let place = example.filters().iter_mut().find(|filter| filter["name"] == "podpin");
    change(place.expect("the filter of the example"));
    let output = validate(&example.with_module(&root().join(MODULE))).expect("Envoy runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_filter_of_the_readme_loads() {
    let readme = read("README.md");
    let filter: Value = serde_yaml_ng::from_str(snippets(&readme, "yaml")[1]).expect("YAML");
    let plugin = &filter["typed_config"]["config"]["configuration"]["value"];
    Config::parse(plugin.as_str().expect("JSON").as_bytes(), &kit::no_variable)
        .expect("a right configuration");
    loads(|place| *place = filter);
}

#[test]
fn the_environment_that_the_page_on_configuration_hands_over_is_taken_by_envoy() {
    let page = read("docs/configuration.md");
    let part: Value = serde_yaml_ng::from_str(snippets(&page, "yaml")[0]).expect("YAML");
    let (name, value) =
        part["vm_config"].as_object().and_then(|part| part.iter().next()).expect("a setting");
    loads(|filter| {
        let config = &mut filter["typed_config"]["config"];
        config["vm_config"][name] = value.clone();
        let plugin = with(&json!({"store": {"kind": "sealed", "keys_env": kit::sealed::KEYS_ENV}}));
        config["configuration"]["value"] = plugin.to_string().into();
    });
}

#[test]
fn every_configuration_on_a_page_is_taken() {
    let configuration = read("docs/configuration.md");
    let whole = snippets(&configuration, "json");
    let stores = read("docs/stores.md");
    // The other shows a record, which the core's own tests read.
    let sealed: Value = serde_json::from_str(snippets(&stores, "json")[1]).expect("JSON");
    for text in whole.iter().map(|text| (*text).to_owned()).chain([with(&sealed).to_string()]) {
        if let Err(mistakes) = Config::parse(text.as_bytes(), &variable) {
            panic!("{text}: {mistakes}");
        }
    }
}

#[test]
fn every_way_to_bind_sessions_on_the_page_is_taken() {
    let page = read("docs/subjects.md");
    let ways = column(&page, "identity from", 1);
    assert_eq!(ways.len(), 3);
    for way in ways {
        let way: Value = serde_json::from_str(way).expect("JSON");
        let config = with(&json!({"session": {"bind_to": way, "require_subject": true}}));
        if let Err(mistakes) = Config::parse(config.to_string().as_bytes(), &kit::no_variable) {
            panic!("{config}: {mistakes}");
        }
    }
}

#[test]
fn the_page_on_behaviour_shows_the_404_that_clients_get() {
    let page = read("docs/behaviour.md");
    assert_eq!(snippets(&page, "json")[0].trim(), Reply::session_not_found().body);
}

#[test]
fn the_page_on_steering_names_the_example_of_every_mode() {
    let page = read("docs/steering.md");
    let row = page.lines().find(|line| line.starts_with("| example |")).expect("a row");
    let cells: Vec<_> = row.split('|').skip(2).map(str::trim).filter(|c| !c.is_empty()).collect();
    let examples = Mode::ALL.map(Mode::example);
    assert_eq!(cells, examples.map(|name| format!("[`{name}`](../envoy/{name})")));
}

#[test]
fn the_page_on_an_envoy_of_ones_own_names_every_example() {
    let page = read("docs/envoy.md");
    let named = column(&page, "example", 0);
    let named: BTreeSet<_> = named.iter().filter_map(|cell| cell.split('`').nth(1)).collect();
    let files = fs::read_dir(root().join("envoy")).expect("examples");
    let files: BTreeSet<_> = files
        .map(|file| file.expect("a file").file_name().into_string().expect("a name"))
        .collect();
    assert_eq!(named, files.iter().map(String::as_str).collect());
}

#[test]
fn the_page_on_operations_has_the_level_of_the_decisions_that_stand_out() {
    let page = read("docs/operations.md");
    let names = Decision::ALL.map(Decision::name);
    let cells = column(&page, "level", 1).join(" ");
    let words = cells.split(|sign: char| !sign.is_ascii_lowercase() && sign != '_');
    let named: Vec<_> = words.filter(|word| names.contains(word) || word.contains('_')).collect();
    let [warning, info] = [
        &["strayed", "outside", "steering_refused", "id_taken", "bad_id_of_pod", "stranger"][..],
        &["lost", "unreachable"],
    ];
    assert_eq!(named, [warning, info].concat());
    assert!(named.iter().all(|word| names.contains(word)), "{named:?}");
}

#[test]
fn every_line_of_the_log_on_the_page_is_written_somewhere() {
    let page = read("docs/operations.md");
    let sources = ["src", "filter/src"].map(|directory| sources(&root().join(directory))).concat();
    let lines = column(&page, "line", 0);
    assert!(lines.len() > 5, "{lines:?}");
    for line in lines {
        assert!(sources.contains(line.trim_matches('`')), "{line}");
    }
}

/// All Rust below a directory.
fn sources(directory: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(&path).expect("a source");
        }
    }
    text
}
