//! What each benchmark may cost: a file beside this one.

use std::error::Error;
use std::path::PathBuf;
use std::{fmt, fs};

/// A ceiling is so much above what was counted: enough for what a change elsewhere does to inlining.
const MARGIN: f64 = 1.025;

/// So much higher are the ceilings with another compiler than the one that they were recorded with.
/// Two releases further one was seen to take 2 % more for one of the benchmarks.
const OTHER_COMPILER: f64 = 1.05;

/// What something costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) instructions: f64,
    /// Calls of the host.
    pub(crate) calls: f64,
}

impl Cost {
    pub(crate) fn is_within(&self, ceiling: &Self) -> bool {
        // The file has two digits of the calls.
        self.instructions <= ceiling.instructions && self.calls < ceiling.calls + 0.01
    }
}

/// The recorded ceilings.
pub(crate) struct Ceilings {
    pub(crate) compiler: String,
    costs: Vec<(String, Cost)>,
}

impl Ceilings {
    pub(crate) fn new(compiler: String) -> Self {
        Self { compiler, costs: Vec::new() }
    }

    pub(crate) fn read() -> Result<Self, Box<dyn Error>> {
        let text = fs::read_to_string(path())?;
        let (compiler, lines) = text.split_once('\n').ok_or("the ceilings are empty")?;
        let mut ceilings = Self::new(compiler.to_owned());
        for line in lines.lines() {
            let [name, instructions, calls] = line.split_whitespace().collect::<Vec<_>>()[..]
            else {
                return Err(format!("{line:?} is no ceiling").into());
            };
            let cost = Cost { instructions: instructions.parse()?, calls: calls.parse()? };
            ceilings.costs.push((name.to_owned(), cost));
        }
        Ok(ceilings)
    }

    pub(crate) fn write(&self) -> Result<(), Box<dyn Error>> {
        Ok(fs::write(path(), self.to_string())?)
    }

    /// Makes a ceiling of what was counted.
    pub(crate) fn add(&mut self, name: &str, counted: &Cost) {
        let instructions = (counted.instructions * MARGIN).ceil();
        self.costs.push((name.to_owned(), Cost { instructions, ..*counted }));
    }

    pub(crate) fn of(&self, name: &str, compiler: &str) -> Option<Cost> {
        let (_, cost) = self.costs.iter().find(|(other, _)| other == name)?;
        let factor = if compiler == self.compiler { 1.0 } else { OTHER_COMPILER };
        Some(Cost { instructions: cost.instructions * factor, ..*cost })
    }
}

/// The file: the compiler, then a line for each benchmark of its name, instructions and calls of the host.
impl fmt::Display for Ceilings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.compiler)?;
        self.costs.iter().try_for_each(|(name, Cost { instructions, calls })| {
            writeln!(f, "{name:18} {instructions:8} {calls:6.2}")
        })
    }
}

fn path() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/ceilings.txt").into()
}
