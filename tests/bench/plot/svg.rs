//! Draws a plot.

use std::fmt::{self, Write};

use super::{Family, Plot};

const WIDTH: f64 = 900.0;
/// Where bars begin and where the longest ends.
const LEFT: f64 = 210.0;
const RIGHT: f64 = 640.0;
const ROW: f64 = 24.0;
const LINE: f64 = 18.0;
const MARGIN: f64 = 16.0;

const STYLE: &str = "
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .title { font-size: 16px; font-weight: 600 }
    .group { font-weight: 600 }
    .quiet { fill: #59636e }
    .ground { fill: #ffffff; stroke: #d1d9e0 }
    .axis { stroke: #818b98; stroke-width: 1 }
    .grid { stroke: #d1d9e0; stroke-width: 1 }
    .spread { stroke: #1f2328; stroke-width: 1.5 }
    .native { fill: #8c959f }
    .noop { fill: #d4a72c }
    .podpin { fill: #218bff }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc }
      .quiet { fill: #9198a1 }
      .ground { fill: #0d1117; stroke: #3d444d }
      .grid { stroke: #3d444d }
      .spread { stroke: #f0f6fc }
      .native { fill: #656c76 }
      .noop { fill: #9e6a03 }
      .podpin { fill: #1f6feb }
    }
";

pub(crate) fn draw(plot: &Plot) -> Result<String, fmt::Error> {
    let bars = || plot.groups.iter().flat_map(|group| &group.bars);
    let largest = bars().map(|bar| bar.high.max(bar.value)).fold(1e-9, f64::max);
    let x = |value: f64| LEFT + value / largest * (RIGHT - LEFT);
    let titles = plot.groups.iter().filter(|group| !group.title.is_empty()).count();
    let top = MARGIN + 24.0 + LINE * (plot.legend.len() + 1) as f64 + 12.0;
    let bottom = top + ROW * (bars().count() + titles) as f64;
    let height = bottom + 2.0 * MARGIN + 8.0;

    let mut svg = String::new();
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">"#
    )?;
    writeln!(svg, "  <title>{}</title>\n  <style>{STYLE}  </style>", escaped(&plot.title))?;
    let (width, inner) = (WIDTH - 1.0, height - 1.0);
    writeln!(
        svg,
        r#"  <rect class="ground" x="0.5" y="0.5" width="{width}" height="{inner}" rx="6"/>"#
    )?;
    text(&mut svg, (MARGIN, MARGIN + 16.0), "title", "start", &plot.title)?;
    for (number, line) in plot.legend.iter().enumerate() {
        let y = MARGIN + 38.0 + LINE * number as f64;
        text(&mut svg, (MARGIN, y), "quiet", "start", line)?;
    }
    families(&mut svg, plot, MARGIN + 38.0 + LINE * plot.legend.len() as f64)?;
    for (value, label) in marks(largest) {
        text(&mut svg, (x(value), bottom + 18.0), "quiet", "middle", &label)?;
    }
    let mut y = top;
    for group in &plot.groups {
        if !group.title.is_empty() {
            text(&mut svg, (MARGIN, y + 17.0), "group", "start", &group.title)?;
            y += ROW;
        }
        let end = y + ROW * group.bars.len() as f64;
        for (value, _) in marks(largest).into_iter().skip(1) {
            let x = x(value);
            writeln!(svg, r#"  <path class="grid" d="M{x:.1} {y}V{end}"/>"#)?;
        }
        writeln!(svg, r#"  <path class="axis" d="M{LEFT} {y}V{end}"/>"#)?;
        for bar in &group.bars {
            text(&mut svg, (LEFT - 10.0, y + 17.0), "label", "end", &bar.label)?;
            let (class, width) = (bar.family.class(), x(bar.value) - LEFT);
            let (from, height) = (y + 4.0, ROW - 8.0);
            writeln!(
                svg,
                r#"  <rect class="{class}" x="{LEFT}" y="{from}" width="{width:.1}" height="{height}"/>"#
            )?;
            let (low, high, middle) = (x(bar.low), x(bar.high), y + ROW / 2.0);
            writeln!(svg, r#"  <path class="spread" d="M{low:.1} {middle}H{high:.1}"/>"#)?;
            text(&mut svg, (high.max(x(bar.value)) + 8.0, y + 17.0), "note", "start", &bar.note)?;
            y += ROW;
        }
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// What the colours mean, of those that there are.
fn families(svg: &mut String, plot: &Plot, y: f64) -> fmt::Result {
    let bars = || plot.groups.iter().flat_map(|group| &group.bars);
    let mut x = MARGIN;
    for family in Family::ALL.into_iter().filter(|it| bars().any(|bar| bar.family == *it)) {
        let (class, from) = (family.class(), y - 11.0);
        writeln!(svg, r#"  <rect class="{class}" x="{x}" y="{from}" width="12" height="12"/>"#)?;
        text(svg, (x + 18.0, y), "quiet", "start", family.name())?;
        x += 44.0 + 6.8 * family.name().len() as f64;
    }
    Ok(())
}

/// Round values along the axis, five or so.
fn marks(largest: f64) -> Vec<(f64, String)> {
    let power = 10_f64.powf((largest / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|it| it * power);
    let step = step.into_iter().find(|step| largest / step <= 6.0).unwrap_or(largest);
    let digits = usize::from(step < 1.0);
    let values = (0..).map(|number| f64::from(number) * step).take_while(|it| *it <= largest);
    values.map(|value| (value, format!("{value:.digits$}"))).collect()
}

fn text(
    svg: &mut String,
    (x, y): (f64, f64),
    class: &str,
    anchor: &str,
    text: &str,
) -> fmt::Result {
    let text = escaped(text);
    writeln!(
        svg,
        r#"  <text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
