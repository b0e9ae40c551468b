//! One drawing: lines over two axes as SVG within a figure with its title, legend and description.
//!
//! Plotters draws what is in the unit square; [`Scale`] says where in it a figure lies. So no figure, however broken the
//! report it comes from, decides about a loop or an allocation of the drawing. Colours are those of the light page;
//! the style sheet knows them by name and has others for the dark.

use plotters::coord::ranged1d::{KeyPointHint, Ranged, ValueFormatter};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::marks::{Labels, Mark, labels};
use super::markup::text;
use super::scale::Scale;

/// Units of the drawing; the page scales it. Plotters draws at whole units, so they are small.
const SIZE: (u32, u32) = (1_200, 660);
/// The style sheet has them somewhat smaller where the drawing is wide; there is room for these.
const LABEL_SIZE: u32 = 42;
/// No axis has more labels.
const LABELS_MAX: usize = 40;
const AXIS: RGBColor = RGBColor(0x59, 0x63, 0x6e);
const GRID: RGBColor = RGBColor(0xd5, 0xdb, 0xe1);
/// Room above the axes, without labels there and with them.
const MARGIN_TOP: (u32, u32) = (24, 60);
const MARK: RGBColor = RGBColor(0x8c, 0x95, 0x9f);
const BAND: RGBColor = RGBColor(0xe9, 0xef, 0xf6);
/// Of the lines, with their names in the style sheet. Told apart with any colour vision.
const COLOURS: [(RGBColor, &str); 4] = [
    (RGBColor(0x00, 0x63, 0xa8), "one"),
    (RGBColor(0xc4, 0x4e, 0x00), "two"),
    (RGBColor(0x00, 0x79, 0x5c), "three"),
    (RGBColor(0x8e, 0x3a, 0x80), "four"),
];

/// A line; `None` in it is a gap.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<Option<(f64, f64)>>,
    /// Seen also where another line lies on it.
    pub(super) is_wide: bool,
}

impl Line {
    /// A line.
    pub(super) fn new(name: impl Into<String>, points: impl Iterator<Item = Option<(f64, f64)>>) -> Self {
        Self { name: name.into(), points: points.collect(), is_wide: false }
    }

    /// What is drawn of it.
    pub(super) fn drawn(&self) -> impl Iterator<Item = (f64, f64)> {
        self.points.iter().flatten().copied()
    }
}

/// A drawing.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub(super) title: String,
    /// What it shows and how to read it.
    pub(super) description: String,
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) x_name: &'static str,
    /// At most four.
    pub(super) lines: Vec<Line>,
    /// The measuring window, from and to.
    pub(super) band: Option<(f64, f64)>,
    /// The phases of the window, in their order.
    pub(super) marks: Vec<Mark>,
}

impl Chart {
    /// The figure; nothing when there is nothing to draw, or only zeros.
    pub(super) fn markup(&self) -> String {
        let drawn: Vec<&Line> = self.lines.iter().filter(|line| line.drawn().next().is_some()).collect();
        // What was 0 all the time is told by the tables; a line on the axis shows nothing.
        if drawn.iter().all(|line| line.drawn().all(|(_, y)| y == 0.0)) {
            return String::new();
        }
        let svg =
            self.svg().unwrap_or_else(|error| format!("<p>not drawn: {}</p>", text(&error.to_string())));
        let mut legend = String::new();
        for (line, (_, class)) in self.lines.iter().zip(COLOURS) {
            if line.drawn().next().is_some() {
                legend.push_str(&format!("<li class=\"{class}\">{}</li>", text(&line.name)));
            }
        }
        if self.band.is_some() {
            legend.push_str("<li class=\"band\">measuring window</li>");
        }
        for name in self.labels().legend {
            legend.push_str(&format!("<li class=\"mark\">{}</li>", text(&name)));
        }
        format!(
            "<figure><h3>{}</h3>\n<ul class=\"legend\">{legend}</ul>\n{svg}\n<figcaption>{}</figcaption></figure>\n",
            text(&self.title),
            text(&self.description)
        )
    }

    /// The drawing, with a title and a description for those who do not see it.
    fn svg(&self) -> Result<String, Box<dyn std::error::Error>> {
        let mut drawing = String::new();
        self.draw(&mut drawing)?;
        let body = drawing.split_once('>').map_or("", |(_, body)| body);
        Ok(format!(
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\"><title>{}</title>\
             <desc>{}</desc>{body}",
            SIZE.0,
            SIZE.1,
            text(&self.title),
            text(&self.description)
        ))
    }

    /// Where the phases begin, as far as that is within the drawing, and what they are called.
    fn placed_marks(&self) -> Vec<(f64, &str)> {
        let place = |mark: &'_ Mark| self.x.place(mark.at_s);
        let mut placed: Vec<(f64, &str)> =
            self.marks.iter().filter_map(|mark| Some((place(mark)?, mark.name.as_str()))).collect();
        placed.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        placed
    }

    fn labels(&self) -> Labels {
        labels(&self.placed_marks())
    }

    fn draw(&self, into: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        let root = SVGBackend::with_string(into, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(if self.marks.is_empty() { MARGIN_TOP.0 } else { MARGIN_TOP.1 })
            .margin_right(72)
            .x_label_area_size(120)
            .y_label_area_size(200)
            .build_cartesian_2d(self.x.clone(), self.y.clone())?;
        if let Some((from, to)) = self.band
            && let (Some(from), Some(to)) = (self.x.place(from), self.x.place(to))
        {
            chart.draw_series([Rectangle::new([(from, 0.0), (to, 1.0)], BAND.filled())])?;
        }
        chart
            .configure_mesh()
            .x_labels(LABELS_MAX)
            .y_labels(LABELS_MAX)
            .x_desc(self.x_name)
            .label_style(("sans-serif", LABEL_SIZE))
            .axis_desc_style(("sans-serif", LABEL_SIZE))
            .axis_style(AXIS.stroke_width(2))
            .bold_line_style(GRID.stroke_width(2))
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (place, _) in self.placed_marks() {
            chart.draw_series(LineSeries::new([(place, 0.0), (place, 1.0)], MARK.stroke_width(2)))?;
        }
        let style =
            ("sans-serif", LABEL_SIZE).into_font().color(&AXIS).pos(Pos::new(HPos::Left, VPos::Bottom));
        for (place, name) in self.labels().above {
            chart.draw_series([Text::new(name, (place, 1.0), style.clone())])?;
        }
        for (line, (colour, _)) in self.lines.iter().zip(COLOURS) {
            let width = if line.is_wide { 10 } else { 4 };
            for part in line.points.split(Option::is_none) {
                let placed: Vec<(f64, f64)> = part
                    .iter()
                    .flatten()
                    .filter_map(|(x, y)| Some((self.x.place(*x)?, self.y.place(*y)?)))
                    .collect();
                match placed.as_slice() {
                    [] => {}
                    // A line of one point would not be seen.
                    [only] => {
                        chart.draw_series([Circle::new(*only, 6, colour.filled())])?;
                    }
                    _ => {
                        chart.draw_series(LineSeries::new(placed, colour.stroke_width(width)))?;
                    }
                }
            }
        }
        drop(chart);
        root.present()?;
        Ok(())
    }
}

/// The axis as Plotters sees it: from 0 to 1, labelled where the scale says.
impl Ranged for Scale {
    type FormatOption = plotters::coord::ranged1d::NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, limit: (i32, i32)) -> i32 {
        let length = f64::from(limit.1) - f64::from(limit.0);
        #[expect(clippy::cast_possible_truncation, reason = "a place of the drawing, which is far smaller")]
        let offset = (place * length).round() as i32;
        limit.0 + offset
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            // Lines between the labelled ones would only be noise.
            return Vec::new();
        }
        self.ticks.iter().map(|(place, _)| *place).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        0.0..1.0
    }
}

impl ValueFormatter<f64> for Scale {
    fn format(place: &f64) -> String {
        format!("{place}")
    }

    fn format_ext(&self, place: &f64) -> String {
        let found = self.ticks.iter().find(|(tick, _)| (tick - place).abs() < 1e-12);
        found.map(|(_, name)| name.clone()).unwrap_or_default()
    }
}
