//! Writes both modules as an OCI image layout, with bills of their materials. The same modules give the same bytes,
//! on any machine and at any time.

mod bill;
mod layout;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs};

use layout::{Architecture, Label};

const USAGE: &str = "\
podpin-image MODULE LIBRARY DIRECTORY [SOURCE]

Writes DIRECTORY/image, an OCI image layout of the wasm module MODULE in two forms and of the dynamic module LIBRARY,
and DIRECTORY/podpin.cdx.json and DIRECTORY/libpodpin.cdx.json, CycloneDX bills of what each is made of. SOURCE is
where the source code is, for a label. Prints the name and the digest of the manifest of each form.";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let (modules, directory, source) = match arguments.as_slice() {
        [module, library, directory] => ([module, library], directory, ""),
        [module, library, directory, source] => ([module, library], directory, source.as_str()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(modules.map(Path::new), Path::new(directory), source) {
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

fn run(modules: [&Path; 2], directory: &Path, source: &str) -> Result<String, String> {
    let [module, library] = modules;
    let read = |file: &Path| fs::read(file).map_err(|error| format!("{}: {error}", file.display()));
    let (wasm, native) = (read(module)?, read(library)?);
    if !wasm.starts_with(b"\0asm") {
        return Err(format!("{} is no WebAssembly module", module.display()));
    }
    let architecture = Architecture::of(&native)
        .ok_or_else(|| format!("{} is no library for amd64 or arm64", library.display()))?;
    let mut labels = vec![
        Label("title", "podpin"),
        Label("description", "Keeps every MCP session on the pod that opened it"),
        Label("licenses", "Apache-2.0"),
        Label("version", env!("CARGO_PKG_VERSION")),
    ];
    if !source.is_empty() {
        labels.push(Label("source", source));
    }
    let image = layout::of(&wasm, (&native, architecture), &labels)?;
    write(&directory.join("image"), &image.files)?;

    let of_wasm = ["--package=podpin-filter", "--target=wasm32-wasip1"];
    let bill = bill::of(&tree(&of_wasm)?, &layout::hex(&wasm))?;
    let library_bill = bill::of(&tree(&["--package=podpin-native"])?, &layout::hex(&native))?;
    let files = [("podpin.cdx.json", bill), ("libpodpin.cdx.json", library_bill)];
    write(directory, &files.map(|(name, content)| (name.to_owned(), content)))?;
    Ok(image.digests.iter().map(|(reference, digest)| format!("{reference} {digest}\n")).collect())
}

/// What cargo links into a module.
fn tree(package: &[&str]) -> Result<String, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(&cargo).args(bill::TREE).args(package).output();
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
