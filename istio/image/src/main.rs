//! Writes the module as an OCI image layout, with a bill of its materials. The same module gives
//! the same bytes, on any machine and at any time.

mod bill;
mod layout;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs};

use layout::{Form, Label};

const USAGE: &str = "\
podpin-image MODULE DIRECTORY [SOURCE]

Writes DIRECTORY/image, an OCI image layout of MODULE in two forms, and DIRECTORY/podpin.cdx.json, a
CycloneDX bill of what MODULE is made of. SOURCE is where its source code is, for a label. Prints the
name and the digest of the manifest of each form.";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let (module, directory, source) = match arguments.as_slice() {
        [module, directory] => (module, directory, ""),
        [module, directory, source] => (module, directory, source.as_str()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(Path::new(module), Path::new(directory), source) {
        Ok(written) => {
            print!("{written}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("podpin-image: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(module: &Path, directory: &Path, source: &str) -> Result<String, String> {
    let wasm = fs::read(module).map_err(|error| format!("{}: {error}", module.display()))?;
    if !wasm.starts_with(b"\0asm") {
        return Err(format!("{} is no WebAssembly module", module.display()));
    }
    let mut labels = vec![
        Label("title", "podpin"),
        Label("description", "Keeps every MCP session on the pod that opened it"),
        Label("licenses", "Apache-2.0"),
        Label("version", env!("CARGO_PKG_VERSION")),
    ];
    if !source.is_empty() {
        labels.push(Label("source", source));
    }
    let image = layout::of(&wasm, &labels)?;
    write(&directory.join("image"), &image.files)?;

    let bill = bill::of(&tree()?, &layout::hex(&wasm))?;
    write(directory, &[("podpin.cdx.json".to_owned(), bill)])?;
    let lines = [Form::Compat, Form::Artifact].into_iter().zip(&image.digests);
    Ok(lines.map(|(form, digest)| format!("{} {digest}\n", form.reference())).collect())
}

/// What cargo links into the module.
fn tree() -> Result<String, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(&cargo).args(bill::TREE).output();
    let output = output.map_err(|error| format!("cargo tree: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// Writes files under a directory, in the place of what was there by their names.
fn write(directory: &Path, files: &[(String, Vec<u8>)]) -> Result<(), String> {
    let wrong = |path: &Path, error| format!("{}: {error}", path.display());
    // Blobs of another module would be a part of no manifest.
    let blobs = directory.join("blobs");
    if blobs.is_dir() {
        fs::remove_dir_all(&blobs).map_err(|error| wrong(&blobs, error))?;
    }
    for (name, content) in files {
        let path = directory.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| wrong(parent, error))?;
        }
        fs::write(&path, content).map_err(|error| wrong(&path, error))?;
    }
    Ok(())
}
