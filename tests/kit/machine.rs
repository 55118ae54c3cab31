//! Where and when it was measured, and of what versions.

use std::fs;
use std::process::Command;

/// Lines of a Markdown list: what every measurement has in common.
pub fn describe() -> Vec<String> {
    let unknown = || "unknown".to_owned();
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let models = cpus.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let models: Vec<_> = models.map(|(_, model)| model).collect();
    let virtual_machine = if cpus.contains(" hypervisor") { ", in a virtual machine" } else { "" };
    let release = read("/proc/sys/kernel/osrelease");
    let redis = word_of("redis-server", &["--version"], "v=");
    vec![
        format!("- Date: {}", output_of("date", &["+%F"]).unwrap_or_else(unknown)),
        format!(
            "- Processors: {} x {}{virtual_machine}",
            models.len(),
            models.first().unwrap_or(&"unknown")
        ),
        // What follows the version is whose build it is.
        format!("- Linux {}", release.trim().split('-').next().unwrap_or("unknown")),
        format!("- Podpin {}", env!("CARGO_PKG_VERSION")),
        format!("- Envoy {}", crate::envoy::version().unwrap_or_else(|_| unknown())),
        format!("- Redis {}", redis.unwrap_or_else(unknown)),
    ]
}

fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// The word that follows `mark` in what a program prints.
pub fn word_of(program: &str, arguments: &[&str], mark: &str) -> Option<String> {
    let text = output_of(program, arguments)?;
    let rest = &text[text.find(mark)? + mark.len()..];
    Some(rest.split_whitespace().next()?.to_owned())
}
