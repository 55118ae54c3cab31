//! The pictures of the page.

use crate::contender::Module;
use crate::figures::Figures;
use crate::kind::{Kind, Regime};
use crate::plot::{Bar, Family, Group, Plot};
use crate::report::Report;

/// By the names of their files.
pub(super) fn all(report: &Report) -> [(&'static str, Plot); 3] {
    [("cost", cost(report)), ("latency", latency(report)), ("bodies", bodies(report))]
}

fn cost(report: &Report) -> Plot {
    let group = |regime, title: &str| {
        let bars = numbers(report, Kind::Call, regime).map(|number| {
            let spread = report.spread(Kind::Call, regime, number, |it| it.cost)?;
            let ratio = report.ratio(Kind::Call, regime, number, 0)?.median;
            let wrong = 100.0 * report.tally(number).share_misrouted();
            let wrong = match wrong {
                0.0 => String::new(),
                wrong => format!(", {wrong:.0} % to a wrong pod"),
            };
            Some(Bar {
                label: report.contenders[number].title(),
                family: family(report, number),
                value: spread.median,
                low: spread.low,
                high: spread.high,
                note: format!("{:.0} µs, x {ratio:.2}{wrong}", spread.median),
            })
        });
        Group { title: title.to_owned(), bars: bars.flatten().collect() }
    };
    Plot {
        title: "What the proxy needs for one call of an MCP session".to_owned(),
        legend: vec![
            "Microseconds of processor time: median over the rounds, and quartiles as a line.".to_owned(),
            "x: times Envoy alone, which sends two of three calls to a pod that does not know the session.".to_owned(),
        ],
        groups: vec![
            group(Regime::Full, "As many calls as the proxy takes on one core"),
            group(Regime::Paced, "1,500 calls a second: each one wakes the proxy up"),
        ],
    }
}

fn latency(report: &Report) -> Plot {
    let median = |number, figure: fn(&Figures) -> f64| {
        Some(report.spread(Kind::Call, Regime::Paced, number, figure)?.median)
    };
    let bars = numbers(report, Kind::Call, Regime::Paced).map(|number| {
        let (half, most) = (median(number, |it| it.half)?, median(number, |it| it.most)?);
        Some(Bar {
            label: report.contenders[number].title(),
            family: family(report, number),
            value: half,
            low: half,
            high: most,
            note: format!("{half:.0} / {most:.0} µs"),
        })
    });
    Plot {
        title: "How long a client waits for one call of an MCP session".to_owned(),
        legend: vec![
            "1,500 calls a second, pods that answer at once. Bar: half of the calls took no longer.".to_owned(),
            "End of the line: 99 in 100 took no longer. Microseconds, medians over the rounds.".to_owned(),
        ],
        groups: vec![Group { title: String::new(), bars: bars.flatten().collect() }],
    }
}

fn bodies(report: &Report) -> Plot {
    let groups = Kind::ALL.iter().copied().filter(|it| it.is_rare()).map(|kind| {
        let bars = numbers(report, kind, Regime::Full).map(|number| {
            let ratio = report.ratio(kind, Regime::Full, number, 0)?;
            let cost = report.spread(kind, Regime::Full, number, |it| it.cost)?.median;
            Some(Bar {
                label: report.contenders[number].title(),
                family: family(report, number),
                value: ratio.median,
                low: ratio.low,
                high: ratio.high,
                note: format!("x {:.2}, {cost:.0} µs", ratio.median),
            })
        });
        Group { title: kind.name(), bars: bars.flatten().collect() }
    });
    Plot {
        title: "What the proxy needs for one call, by the size of its body".to_owned(),
        legend: vec![
            "Times the processor time of Envoy alone on a full core: median, and quartiles as a line.".to_owned(),
            "The larger the body, the less a filter matters: bodies go past it.".to_owned(),
        ],
        groups: groups.collect(),
    }
}

/// Those that were measured, but for an older module and for those that only show where the cost of others is.
fn numbers(report: &Report, kind: Kind, regime: Regime) -> impl Iterator<Item = usize> {
    let numbers = report.measured().remove(&(kind, regime)).unwrap_or_default();
    let is_shown = |number: &usize| {
        let contender = &report.contenders[*number];
        contender.module != Module::Older && !contender.only_calls()
    };
    numbers.into_iter().filter(is_shown)
}

fn family(report: &Report, number: usize) -> Family {
    let contender = &report.contenders[number];
    match contender.module {
        Module::None if contender.name.starts_with("no-op") => Family::Noop,
        Module::None => Family::Native,
        Module::Built | Module::Older => Family::Podpin,
    }
}
