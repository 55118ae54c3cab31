//! Says what the filter would make of a configuration, before an Envoy has it.

use std::io::Read;
use std::process::ExitCode;
use std::{env, fs, io};

use podpin::config::{Config, Variable};
use podpin::host::Secret;

const USAGE: &str = "\
podpin-check FILE

Reads a configuration of the filter, the JSON of its StringValue, from FILE, or from standard input
if that is -. Says what it does, and exits with 0; or prints every mistake on a line of its own, and
exits with 1. No mistake shows a secret. Exits with 2 if FILE cannot be read.";

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [file] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    if file == "-h" || file == "--help" {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let mut bytes = Vec::new();
    let read = match file.to_str() {
        Some("-") => io::stdin().read_to_end(&mut bytes).map(|_| bytes),
        _ => fs::read(file),
    };
    match read {
        Ok(bytes) => check(&bytes),
        Err(error) => {
            eprintln!("{}: {error}", file.display());
            ExitCode::from(2)
        }
    }
}

/// What is in the environment here is checked; what Envoy alone has is not.
fn variable(name: &str) -> Variable {
    env::var(name).map_or(Variable::Elsewhere, |text| Variable::Is(Secret(text)))
}

fn check(bytes: &[u8]) -> ExitCode {
    match Config::parse(bytes, &variable) {
        Ok(config) => {
            println!("serves {} by {}", config.served.scope.label(), config.steering);
            for key in &config.without_effect {
                println!("{key} has no effect here");
            }
            for key in &config.plain_secrets {
                println!("{key} has a secret, which whoever sees the configuration sees");
            }
            ExitCode::SUCCESS
        }
        Err(mistakes) => {
            for mistake in mistakes.iter() {
                eprintln!("{mistake}");
            }
            ExitCode::FAILURE
        }
    }
}
