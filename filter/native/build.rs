//! Links the unwinder into the module: images that have little else beside Envoy lack `libgcc_s.so.1`.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let Some(out) = env::var_os("OUT_DIR") else { return Ok(()) };
    let directory = Path::new(&out).join("static-unwinder");
    fs::create_dir_all(&directory)?;
    // To the linker this is the library of that name: it is looked for here first.
    fs::write(directory.join("libgcc_s.so"), "INPUT(-lgcc_eh)\n")?;
    println!("cargo::rustc-cdylib-link-arg=-L{}", directory.display());
    Ok(())
}
