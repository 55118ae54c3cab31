//! Draws a plot.

use std::fmt;

use kit::svg::{LINE, MARGIN, Picture, marks};

use super::{Family, Plot};

/// Where bars begin and where the longest ends.
const LEFT: f64 = 210.0;
const RIGHT: f64 = 640.0;
const ROW: f64 = 24.0;

pub(crate) fn draw(plot: &Plot) -> Result<String, fmt::Error> {
    let bars = || plot.groups.iter().flat_map(|group| &group.bars);
    let largest = bars().map(|bar| bar.high.max(bar.value)).fold(1e-9, f64::max);
    let x = |value: f64| LEFT + value / largest * (RIGHT - LEFT);
    let titles = plot.groups.iter().filter(|group| !group.title.is_empty()).count();
    let top = MARGIN + 24.0 + LINE * (plot.legend.len() + 1) as f64 + 12.0;
    let bottom = top + ROW * (bars().count() + titles) as f64;
    let height = bottom + 2.0 * MARGIN + 8.0;

    let mut picture = Picture::new(height, &plot.title, &plot.legend)?;
    let families = Family::ALL.into_iter().filter(|it| bars().any(|bar| bar.family == *it));
    let families: Vec<_> = families.map(|it| (it.colour(), it.name())).collect();
    picture.key(Picture::below(plot.legend.len()), &families)?;
    for (value, label) in marks(largest) {
        picture.text((x(value), bottom + 18.0), "quiet", "middle", &label)?;
    }
    let mut y = top;
    for group in &plot.groups {
        if !group.title.is_empty() {
            picture.text((MARGIN, y + 17.0), "group", "start", &group.title)?;
            y += ROW;
        }
        let end = y + ROW * group.bars.len() as f64;
        for (value, _) in marks(largest).into_iter().skip(1) {
            picture.path("grid", &format!("M{:.1} {y}V{end}", x(value)))?;
        }
        picture.path("axis", &format!("M{LEFT} {y}V{end}"))?;
        for bar in &group.bars {
            picture.text((LEFT - 10.0, y + 17.0), "label", "end", &bar.label)?;
            let width = x(bar.value) - LEFT;
            picture.bar(bar.family.colour(), (LEFT, y + 4.0), (width, ROW - 8.0))?;
            let (low, high, middle) = (x(bar.low), x(bar.high), y + ROW / 2.0);
            picture.path("spread", &format!("M{low:.1} {middle}H{high:.1}"))?;
            let after = high.max(x(bar.value)) + 8.0;
            picture.text((after, y + 17.0), "note", "start", &bar.note)?;
            y += ROW;
        }
    }
    Ok(picture.finish())
}
