//! Horizontal bars.

mod svg;

use kit::svg::Colour;

pub(crate) use self::svg::draw;

/// A picture that says by itself what it shows.
pub(crate) struct Plot {
    pub(crate) title: String,
    /// What a bar and its line are, and the unit.
    pub(crate) legend: Vec<String>,
    pub(crate) groups: Vec<Group>,
}

pub(crate) struct Group {
    pub(crate) title: String,
    pub(crate) bars: Vec<Bar>,
}

/// A bar to `value`, with a line from `low` to `high`.
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) family: Family,
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// What stands behind it.
    pub(crate) note: String,
}

/// What a bar is of, by colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Family {
    /// No filter in WebAssembly.
    Native,
    /// A filter in WebAssembly that does nothing.
    Noop,
    Podpin,
}

impl Family {
    const ALL: [Self; 3] = [Self::Native, Self::Noop, Self::Podpin];

    fn colour(self) -> Colour {
        match self {
            Self::Native => Colour::Gray,
            Self::Noop => Colour::Yellow,
            Self::Podpin => Colour::Blue,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Native => "without WebAssembly",
            Self::Noop => "a WebAssembly filter that does nothing",
            Self::Podpin => "Podpin",
        }
    }
}
