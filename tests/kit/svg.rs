//! Pictures as SVG, readable on a light page and on a dark one: a picture has a ground of its own, and its
//! colours follow what the reader prefers.

use std::fmt::{self, Write};

pub const WIDTH: f64 = 900.0;
pub const MARGIN: f64 = 16.0;
/// From one line of text to the next.
pub const LINE: f64 = 18.0;

const STYLE: &str = "
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .title { font-size: 16px; font-weight: 600 }
    .group { font-weight: 600 }
    .quiet { fill: #59636e }
    .ground { fill: #ffffff; stroke: #d1d9e0 }
    .axis { stroke: #818b98; stroke-width: 1 }
    .grid { stroke: #d1d9e0; stroke-width: 1 }
    .spread { stroke: #1f2328; stroke-width: 1.5 }
    .gray { fill: #8c959f; stroke: #8c959f }
    .yellow { fill: #d4a72c; stroke: #d4a72c }
    .blue { fill: #218bff; stroke: #218bff }
    .red { fill: #cf222e; stroke: #cf222e }
    .bar { stroke: none }
    .line { fill: none; stroke-width: 1.8; stroke-linejoin: round }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc }
      .quiet { fill: #9198a1 }
      .ground { fill: #0d1117; stroke: #3d444d }
      .grid { stroke: #3d444d }
      .spread { stroke: #f0f6fc }
      .gray { fill: #656c76; stroke: #656c76 }
      .yellow { fill: #9e6a03; stroke: #9e6a03 }
      .blue { fill: #1f6feb; stroke: #1f6feb }
      .red { fill: #da3633; stroke: #da3633 }
      .bar { stroke: none }
      .line { fill: none }
    }
";

/// Colours, by class.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Colour {
    Gray,
    Yellow,
    Blue,
    Red,
}

impl Colour {
    pub fn class(self) -> &'static str {
        match self {
            Self::Gray => "gray",
            Self::Yellow => "yellow",
            Self::Blue => "blue",
            Self::Red => "red",
        }
    }
}

/// A picture that is being drawn.
pub struct Picture(String);

impl Picture {
    /// Begins one of this height, with its title and what there is to say below that.
    pub fn new(height: f64, title: &str, legend: &[String]) -> Result<Self, fmt::Error> {
        let mut svg = String::new();
        writeln!(
            svg,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">"#
        )?;
        writeln!(svg, "  <title>{}</title>\n  <style>{STYLE}  </style>", escaped(title))?;
        let (width, inner) = (WIDTH - 1.0, height - 1.0);
        writeln!(
            svg,
            r#"  <rect class="ground" x="0.5" y="0.5" width="{width}" height="{inner}" rx="6"/>"#
        )?;
        let mut picture = Self(svg);
        picture.text((MARGIN, MARGIN + 16.0), "title", "start", title)?;
        for (number, line) in legend.iter().enumerate() {
            picture.text((MARGIN, Self::below(number)), "quiet", "start", line)?;
        }
        Ok(picture)
    }

    /// Where a line of text below the title stands.
    pub fn below(number: usize) -> f64 {
        MARGIN + 38.0 + LINE * number as f64
    }

    pub fn text(
        &mut self,
        (x, y): (f64, f64),
        class: &str,
        anchor: &str,
        text: &str,
    ) -> fmt::Result {
        let text = escaped(text);
        writeln!(
            self.0,
            r#"  <text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#
        )
    }

    pub fn path(&mut self, class: &str, path: &str) -> fmt::Result {
        writeln!(self.0, r#"  <path class="{class}" d="{path}"/>"#)
    }

    /// A filled rectangle.
    pub fn bar(
        &mut self,
        colour: Colour,
        (x, y): (f64, f64),
        (width, height): (f64, f64),
    ) -> fmt::Result {
        let class = colour.class();
        writeln!(
            self.0,
            r#"  <rect class="{class} bar" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"/>"#
        )
    }

    /// What colours mean, side by side.
    pub fn key(&mut self, y: f64, colours: &[(Colour, &str)]) -> fmt::Result {
        let mut x = MARGIN;
        for (colour, name) in colours {
            self.bar(*colour, (x, y - 11.0), (12.0, 12.0))?;
            self.text((x + 18.0, y), "quiet", "start", name)?;
            x += 44.0 + 6.8 * name.len() as f64;
        }
        Ok(())
    }

    /// All of it.
    pub fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}

/// Round values along an axis from 0, five or so.
pub fn marks(largest: f64) -> Vec<(f64, String)> {
    let power = 10_f64.powf((largest / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|it| it * power);
    let step = step.into_iter().find(|step| largest / step <= 6.0).unwrap_or(largest);
    let digits = usize::from(step < 1.0);
    let values = (0..).map(|number| f64::from(number) * step).take_while(|it| *it <= largest);
    values.map(|value| (value, format!("{value:.digits$}"))).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
