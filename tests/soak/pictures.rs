//! The pictures of a run: memory, and losses with what was broken, over time.

use std::fmt;
use std::time::Duration;

use kit::svg::{Colour, LINE, MARGIN, Picture, WIDTH, marks};

use crate::ledger::{Cause, Pod, What};
use crate::memory::Line;

const LEFT: f64 = 116.0;
const RIGHT: f64 = WIDTH - 24.0;
const PLOT: f64 = 220.0;

/// Bars over the time of a run.
const BARS: usize = 60;

/// From time to its place in a picture.
struct Axis(f64);

impl Axis {
    fn x(&self, time: Duration) -> f64 {
        LEFT + time.as_secs_f64() / self.0 * (RIGHT - LEFT)
    }

    /// Lines at round minutes from one height to another, with numbers below.
    fn draw(&self, picture: &mut Picture, from: f64, to: f64) -> fmt::Result {
        for (minutes, label) in marks(self.0 / 60.0) {
            let x = self.x(Duration::from_secs_f64(60.0 * minutes));
            picture.path("grid", &format!("M{x:.1} {from:.1}V{to:.1}"))?;
            picture.text((x, to + 18.0), "quiet", "middle", &label)?;
        }
        picture.text((RIGHT, to + 18.0 + LINE), "quiet", "end", "minutes")
    }
}

/// Levels of a plot that begins at `top`, up to `most`.
fn levels(picture: &mut Picture, top: f64, most: f64, unit: &str) -> fmt::Result {
    for (value, label) in marks(most) {
        let y = top + PLOT * (1.0 - value / most);
        picture.path("grid", &format!("M{LEFT} {y:.1}H{RIGHT}"))?;
        picture.text((LEFT - 8.0, y + 4.0), "quiet", "end", &format!("{label}{unit}"))?;
    }
    Ok(())
}

pub(crate) fn memory(time: Duration, lines: &[Line]) -> Result<String, fmt::Error> {
    let legend = [
        "Resident memory of each process, in MB. A line ends where its Envoy is killed, and the next begins."
            .to_owned(),
    ];
    let top = Picture::below(2) + 8.0;
    let title = "Memory of the two Envoys";
    let mut picture = Picture::new(top + PLOT + 3.0 * MARGIN + 8.0, title, &legend)?;
    let key = [(Colour::Blue, "Envoy 1, killed once"), (Colour::Yellow, "Envoy 2, killed often")];
    picture.key(Picture::below(1), &key)?;
    let axis = Axis(time.as_secs_f64());
    let most = lines.iter().map(Line::most).fold(1.0, f64::max) * 1.1;
    levels(&mut picture, top, most, " MB")?;
    axis.draw(&mut picture, top, top + PLOT)?;
    for envoy in [1, 0] {
        for line in lines.iter().filter(|line| line.envoy == envoy) {
            let colour = key[envoy].0.class();
            let points = line.samples.iter().map(|(at, megabytes)| {
                let y = top + PLOT * (1.0 - megabytes / most);
                format!("{:.1} {y:.1}", axis.x(*at))
            });
            let points = points.collect::<Vec<_>>().join("L");
            picture.path(&format!("{colour} line"), &format!("M{points}"))?;
        }
    }
    Ok(picture.finish())
}

/// The cause of a loss, as a colour.
fn colour(cause: Cause) -> Colour {
    match cause {
        Cause::Pod => Colour::Blue,
        Cause::Envoy => Colour::Yellow,
        Cause::Redis | Cause::Emptied | Cause::Webdis => Colour::Gray,
        Cause::None => Colour::Red,
    }
}

/// Rows of marks below a plot.
const ROWS: [&str; 5] =
    ["pod killed", "pod troubled", "Envoy killed", "Redis killed", "webdis killed"];

fn row(what: What) -> &'static str {
    match what {
        What::Pod(_, Pod::Killed) => "pod killed",
        What::Pod(..) => "pod troubled",
        What::Envoy(_) => "Envoy killed",
        What::Redis { .. } => "Redis killed",
        What::Webdis => "webdis killed",
    }
}

/// Sessions, calls and streams that were lost, and below that when what was broken.
pub(crate) fn losses(
    time: Duration,
    losses: &[(Duration, Cause)],
    broken: &[(Duration, What)],
) -> Result<String, fmt::Error> {
    const KEY: [(Colour, &str); 4] = [
        (Colour::Blue, "explained by a pod"),
        (Colour::Yellow, "by an Envoy"),
        (Colour::Gray, "by Redis or webdis"),
        (Colour::Red, "unexplained"),
    ];
    let bar = time / BARS as u32;
    let legend = [format!(
        "Sessions, calls, openings and streams lost in each {:.0} s, by what explains the loss.",
        bar.as_secs_f64()
    )];
    let top = Picture::below(2) + 8.0;
    let bottom = top + PLOT + 8.0 + LINE * ROWS.len() as f64;
    let title = "What clients lost, and what was broken";
    let mut picture = Picture::new(bottom + 3.0 * MARGIN + 8.0, title, &legend)?;
    picture.key(Picture::below(1), &KEY)?;
    let mut bars = vec![[0_u32; KEY.len()]; BARS];
    for (at, cause) in losses {
        let number = (at.as_secs_f64() / bar.as_secs_f64()) as usize;
        let place = KEY.iter().position(|(it, _)| *it == colour(*cause)).unwrap_or_default();
        bars[number.min(BARS - 1)][place] += 1;
    }
    let most = bars.iter().map(|bar| bar.iter().sum::<u32>()).max().unwrap_or(0).max(1);
    let most = f64::from(most) * 1.1;
    let axis = Axis(time.as_secs_f64());
    levels(&mut picture, top, most, "")?;
    axis.draw(&mut picture, top, bottom)?;
    let width = (RIGHT - LEFT) / BARS as f64 - 2.0;
    for (number, bar_of) in bars.iter().enumerate() {
        let mut y = top + PLOT;
        for ((colour, _), count) in KEY.iter().zip(bar_of).filter(|(_, count)| **count > 0) {
            let height = PLOT * f64::from(*count) / most;
            y -= height;
            picture.bar(*colour, (axis.x(bar * number as u32) + 1.0, y), (width, height))?;
        }
    }
    picture.path("axis", &format!("M{LEFT} {:.1}H{RIGHT}", top + PLOT))?;
    for (number, name) in ROWS.iter().enumerate() {
        let y = top + PLOT + 12.0 + LINE * number as f64;
        picture.text((LEFT - 8.0, y + 10.0), "quiet", "end", name)?;
        for (at, _) in broken.iter().filter(|(_, what)| row(*what) == *name) {
            picture.path("spread", &format!("M{:.1} {y:.1}v12", axis.x(*at)))?;
        }
    }
    Ok(picture.finish())
}
