//! The command, as a release runs it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use serde_json::Value;

fn directory(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

/// With a library of no content beside the module.
fn run(module: &Path, directory: &Path) -> Output {
    let library = directory.join("x.so");
    let mut header = b"\x7fELF\x02\x01".to_vec();
    header.resize(18, 0);
    header.extend([62, 0]);
    fs::write(&library, header).unwrap();
    run_with(module, &library, directory)
}

fn run_with(module: &Path, library: &Path, directory: &Path) -> Output {
    let command = env!("CARGO_BIN_EXE_podpin-image");
    Command::new(command)
        .args([module, library, directory])
        .arg("https://example.com/podpin")
        .output()
        .unwrap()
}

fn module(directory: &Path) -> PathBuf {
    let module = directory.join("x.wasm");
    fs::write(&module, b"\0asm\x01\0\0\0").unwrap();
    module
}

#[test]
fn the_bills_list_what_cargo_links_into_the_modules() {
    let directory = directory("bill");
    let output = run(&module(&directory), &directory);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    lists(&directory.join("podpin.cdx.json"), &["podpin-filter v", "podpin v", "proxy-wasm v"]);
    lists(&directory.join("libpodpin.cdx.json"), &["podpin-native v", "podpin v", "getrandom v"]);
}

fn lists(bill: &Path, packages: &[&str]) {
    let bill = fs::read(bill).unwrap();
    let bill: Value = serde_json::from_slice(&bill).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    let name = |component: &Value| {
        format!(
            "{} v{}",
            component["name"].as_str().unwrap(),
            component["version"].as_str().unwrap()
        )
    };
    let mut listed: BTreeSet<_> = bill["components"].as_array().unwrap().iter().map(name).collect();
    listed.insert(name(&bill["metadata"]["component"]));

    // Nothing of other parts of the workspace, of tests or of builds.
    for package in packages {
        assert!(listed.iter().any(|listed| listed.starts_with(package)), "{listed:?}");
    }
    for name in ["proptest", "tar", "flate2", "syn", "const-oid"] {
        assert!(!listed.iter().any(|package| package.starts_with(&format!("{name} "))), "{name}");
    }
    let lock =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
    for package in &listed {
        let (name, version) = package.split_once(" v").unwrap();
        assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"")), "{package}");
    }
}

#[test]
fn a_second_run_writes_the_same_and_leaves_no_blob_of_another_module() {
    let directory = directory("again");
    let first = run(&module(&directory), &directory);
    let blobs = || fs::read_dir(directory.join("image/blobs/sha256")).unwrap().count();
    assert_eq!(blobs(), 9);
    fs::write(directory.join("y.wasm"), b"\0asm\x01\0\0\0another").unwrap();
    let other = run(&directory.join("y.wasm"), &directory);
    assert!(first.status.success() && other.status.success());
    assert_eq!(blobs(), 9);
    assert_ne!(first.stdout, other.stdout);
    assert_eq!(run(&module(&directory), &directory).stdout, first.stdout);
}

#[test]
fn what_is_no_module_is_refused() {
    let directory = directory("refused");
    fs::write(directory.join("x.wasm"), b"not one").unwrap();
    for (file, says) in [("x.wasm", "is no WebAssembly module"), ("missing", "No such file")] {
        let output = run(&directory.join(file), &directory);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains(says));
    }
    let output = run_with(&module(&directory), &module(&directory), &directory);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no library for amd64 or arm64"));
    assert!(!directory.join("image").exists());
}
