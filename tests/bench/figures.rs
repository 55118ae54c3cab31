//! Figures of one round, and how they spread over the rounds.

use std::fmt::{self, Display, Formatter};

use crate::load::turn::Turn;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Microseconds of a processor for each request.
    pub(crate) cost: f64,
    /// Requests in a second.
    pub(crate) rate: f64,
    /// The part of a processor that the proxy took.
    pub(crate) busy: f64,
    /// Microseconds within which a half of the requests, and 99 in 100, were answered.
    pub(crate) half: f64,
    pub(crate) most: f64,
}

/// Median and quartiles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl From<Turn> for Figures {
    fn from(mut turn: Turn) -> Self {
        let (half, most) = (turn.quantile(0.5), turn.quantile(0.99));
        Self { cost: turn.cost(), rate: turn.rate(), busy: turn.busy(), half, most }
    }
}

impl Spread {
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * (values.len() - 1) as f64;
            let (low, high) = (values[place as usize], values[place.ceil() as usize]);
            low + (high - low) * place.fract()
        };
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }
}

impl Display for Spread {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        let Self { low, median, high } = self;
        write!(f, "{median:.digits$} [{low:.digits$}-{high:.digits$}]")
    }
}
