//! Curves over time as SVG.

use std::fmt::{Result, Write as _};
use std::ops::Range;

const WIDTH: f32 = 900.0;
const LEFT: f32 = 52.0;
const RIGHT: f32 = 18.0;
/// Above and below the curves of a panel.
const HEAD: f32 = 34.0;
const FOOT: f32 = 26.0;

/// One curve: time in seconds against a value.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) colour: &'static str,
    pub(crate) points: Vec<(f32, f32)>,
}

/// Curves on the same axes.
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) height: f32,
    pub(crate) curves: Vec<Curve>,
}

/// All panels below each other over one time, with a stall marked.
pub(crate) fn draw(
    panels: &[Panel],
    span: Range<f32>,
    stall: Range<f32>,
) -> std::result::Result<String, std::fmt::Error> {
    let height: f32 = panels.iter().map(|panel| panel.height + HEAD + FOOT).sum();
    let mut svg = String::new();
    writeln!(
        svg,
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' \
         height='{height}' font-family='sans-serif' font-size='12'>\n\
         <rect width='{WIDTH}' height='{height}' fill='#10151c'/>"
    )?;
    let mut top = HEAD;
    for panel in panels {
        panel.draw(top, &span, &stall, &mut svg)?;
        top += panel.height + FOOT + HEAD;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

impl Panel {
    fn draw(&self, top: f32, span: &Range<f32>, stall: &Range<f32>, svg: &mut String) -> Result {
        let x = |at: f32| LEFT + (at - span.start) / (span.end - span.start) * (WIDTH - LEFT - RIGHT);
        let values = || self.curves.iter().flat_map(|curve| curve.points.iter().map(|(_, value)| *value));
        let low = values().fold(f32::INFINITY, f32::min).floor();
        let high = values().fold(f32::NEG_INFINITY, f32::max).ceil();
        let bottom = top + self.height;
        let y = |value: f32| bottom - (value - low) / (high - low) * self.height;
        let (from, width) = (x(stall.start), x(stall.end) - x(stall.start));
        writeln!(
            svg,
            "<rect x='{from:.1}' y='{top}' width='{width:.1}' height='{}' fill='#232c38'/>\
             <text x='{:.1}' y='{:.1}' fill='#8fa3b8'>nothing gets through</text>\
             <text x='{LEFT}' y='{:.1}' fill='#c8d3df' font-size='13'>{}</text>",
            self.height,
            from + 4.0,
            top + 14.0,
            top - 10.0,
            self.title
        )?;
        let mut at = span.start;
        while at <= span.end + 1e-3 {
            let x = x(at);
            writeln!(
                svg,
                "<path d='M{x:.1} {top}V{bottom}' stroke='#33404f' stroke-width='.5'/>\
                 <text x='{x:.1}' y='{:.1}' fill='#8fa3b8' text-anchor='middle'>{at:.1} s</text>",
                bottom + 16.0
            )?;
            at += 0.5;
        }
        for value in [low, high] {
            let y = y(value);
            writeln!(
                svg,
                "<path d='M{LEFT} {y:.1}H{}' stroke='#33404f' stroke-width='.5'/>\
                 <text x='{}' y='{:.1}' fill='#8fa3b8' text-anchor='end'>{value}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0
            )?;
        }
        for curve in &self.curves {
            let mut path = String::new();
            for (number, (at, value)) in curve.points.iter().enumerate() {
                let sign = if number == 0 { 'M' } else { 'L' };
                write!(path, "{sign}{:.1} {:.1}", x(*at), y(*value))?;
            }
            let colour = curve.colour;
            writeln!(svg, "<path d='{path}' fill='none' stroke='{colour}' stroke-width='1.6'/>")?;
        }
        self.draw_legend(top, svg)
    }

    /// The names of the curves, when there is something to tell apart.
    fn draw_legend(&self, top: f32, svg: &mut String) -> Result {
        if self.curves.len() < 2 {
            return Ok(());
        }
        let mut y = top + 16.0;
        writeln!(
            svg,
            "<rect x='{}' y='{}' width='262' height='{}' fill='#10151c' fill-opacity='.8'/>",
            LEFT + 4.0,
            top + 2.0,
            18 * self.curves.len() + 4
        )?;
        for Curve { name, colour, .. } in &self.curves {
            writeln!(
                svg,
                "<path d='M{} {:.1}h22' stroke='{colour}' stroke-width='2.4'/>\
                 <text x='{}' y='{y:.1}' fill='#c8d3df'>{name}</text>",
                LEFT + 10.0,
                y - 4.0,
                LEFT + 40.0
            )?;
            y += 18.0;
        }
        Ok(())
    }
}
