//! Counts the instructions that the core takes for what it is asked most, and holds them to recorded ceilings, so
//! that cost does not creep back. `make instructions` builds and runs it, `make instructions RECORD=yes` records
//! the ceilings anew: do that after a change that is worth its cost, or that saves some.
//!
//! It runs itself once per benchmark (`benchmarks.rs`) under valgrind's tool callgrind, which counts the
//! instructions of one function, [`benchmarks`]' `counted`, and of all that this calls. What was counted stays
//! beside the program as `callgrind/<benchmark>.out`, for `callgrind_annotate`. A call of the host leaves the module
//! in Envoy and costs more than hundreds of instructions do, so those are counted too.
//!
//! The counts are the same in every run and on every x86-64 machine:
//!
//! - The core reads no clock and no randomness, and hashes without a seed; the host (`host.rs`) is a cheap one.
//! - The ciphers and SHA-256 are the portable ones, by `--cfg …_backend="soft"`: the others are chosen when the
//!   program runs, by the CPU. The module has the portable ones too.
//! - The heap is dlmalloc (`heap.rs`), as the module's is.
//! - Of glibc's `memcpy` and the like it takes the plainest, by `GLIBC_TUNABLES`.
//!
//! They are not those of the module, whose instructions are WebAssembly's; but it is the same code, optimised by the
//! same settings, and what grows here grows there. Another compiler makes other code, so the ceilings are higher for
//! any but the one that they were recorded with.

mod benchmarks;
mod ceilings;
mod heap;
mod host;

use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::{env, fs};

use benchmarks::{Benchmark, TIMES};
use ceilings::{Ceilings, Cost};

/// All that glibc 2.36 chooses functions by beyond what each x86-64 CPU has.
const PLAIN_CPU: &str = "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512BW,-AVX512VL,-AVX_Fast_Unaligned_Load,\
                         -BMI2,-ERMS,-FSRM,-MOVBE,-SSE4_1,-SSE4_2,-SSSE3";

/// A ceiling that is higher than what is counted by more than this ratio holds nothing.
const LOW: f64 = 0.9;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [] => check(),
        ["record"] => record(),
        [name] => run(name),
        _ => Err("takes the name of a benchmark, or record, or nothing".into()),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("podpin: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one benchmark. Prints how often it called the host, on average.
fn run(name: &str) -> Result<ExitCode, Box<dyn Error>> {
    let benchmark = Benchmark::ALL.iter().find(|benchmark| benchmark.name == name);
    println!("{}", benchmark.ok_or_else(|| format!("{name} is no benchmark"))?.run());
    Ok(ExitCode::SUCCESS)
}

/// Runs all of them, and compares.
fn check() -> Result<ExitCode, Box<dyn Error>> {
    let ceilings = Ceilings::read()?;
    let compiler = compiler()?;
    println!("benchmark          instructions    ceiling  ratio  host calls  ceiling");
    let mut complaints = Vec::new();
    for Benchmark { name, .. } in Benchmark::ALL {
        let cost = cost(name)?;
        let Some(ceiling) = ceilings.of(name, &compiler) else {
            complaints.push(format!("{name} has no ceiling"));
            continue;
        };
        let ratio = cost.instructions / ceiling.instructions;
        println!(
            "{name:18} {:12.0} {:10.0} {ratio:6.3} {:11.2} {:8.2}",
            cost.instructions, ceiling.instructions, cost.calls, ceiling.calls
        );
        if !cost.is_within(&ceiling) {
            complaints.push(format!("{name} is above its ceiling"));
        } else if ratio < LOW {
            println!("{name} is so far below its ceiling that it may grow unnoticed: RECORD=yes");
        }
    }
    if ceilings.compiler != compiler {
        println!("recorded with {}, so with {compiler} the ceilings are higher", ceilings.compiler);
    }
    if cfg!(not(target_arch = "x86_64")) {
        println!("they were recorded on x86-64, and mean nothing here");
        return Ok(ExitCode::SUCCESS);
    }
    for complaint in &complaints {
        eprintln!("podpin: {complaint}");
    }
    if complaints.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("podpin: if it is worth that: make instructions RECORD=yes");
    Ok(ExitCode::FAILURE)
}

fn record() -> Result<ExitCode, Box<dyn Error>> {
    let mut ceilings = Ceilings::new(compiler()?);
    for Benchmark { name, .. } in Benchmark::ALL {
        ceilings.add(name, &cost(name)?);
    }
    print!("{ceilings}");
    ceilings.write()?;
    Ok(ExitCode::SUCCESS)
}

/// What a benchmark costs each time that it does its work.
fn cost(name: &str) -> Result<Cost, Box<dyn Error>> {
    if cfg!(not(sha2_backend = "soft")) {
        return Err("it was built for this CPU; build and run it by: make instructions".into());
    }
    let program = env::current_exe()?;
    let (Some(directory), Some(program)) = (program.parent(), program.file_name()) else {
        return Err("it does not know where it is".into());
    };
    fs::create_dir_all(directory.join("callgrind"))?;
    let counts = format!("callgrind/{name}.out");
    let output = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
        .arg("--toggle-collect=*benchmarks::counted*")
        .arg(format!("--callgrind-out-file={counts}"))
        // Its own name is on its heap, so that has to be as long wherever it is.
        .arg(Path::new(".").join(program))
        .arg(name)
        .current_dir(directory)
        // And what it has on its stack.
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("GLIBC_TUNABLES", PLAIN_CPU)
        .output()
        .map_err(|error| format!("valgrind cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{name} fails: {said}").into());
    }
    let calls = String::from_utf8(output.stdout)?.trim().parse()?;
    let counts = fs::read_to_string(directory.join(counts))?;
    let total = counts.lines().find_map(|line| line.strip_prefix("totals: "));
    let total: f64 = total.ok_or("callgrind counted nothing")?.trim().parse()?;
    if total == 0.0 {
        return Err(format!("callgrind did not find the function to count: {said}").into());
    }
    Ok(Cost { instructions: total / TIMES as f64, calls })
}

/// The compiler's own name.
fn compiler() -> Result<String, Box<dyn Error>> {
    let output = Command::new("rustc").arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
