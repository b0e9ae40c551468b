//! The picture itself: figures in lines, two courses, the errors, and how to stop.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{LineGauge, Sparkline, Widget};

use super::model::{Health, ViewModel};
use crate::measure::errors::ErrorLine;
use crate::measure::health::BUSY_PERCENT;
use crate::report::wording;

/// Lines of the courses: a title, and the columns.
const COURSES_HEIGHT: u16 = 4;
/// Errors that are listed.
const ERRORS_MAX: usize = 8;
/// Columns of a line's first word.
const LABEL: usize = 13;

const GOOD: Style = Style::new().fg(Color::Green);
const STRAINED: Style = Style::new().fg(Color::Yellow);
const BAD: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const QUIET: Style = Style::new().add_modifier(Modifier::DIM);
const COURSE: Style = Style::new().fg(Color::Cyan);

/// How many lines everything takes at this width.
pub(super) fn height(model: &ViewModel, width: u16) -> u16 {
    let lines = head(model, width).len() + errors(&model.errors, width).len() + foot(width).len();
    // The gauge has a line of its own.
    u16::try_from(lines).unwrap_or(u16::MAX).saturating_add(1 + COURSES_HEIGHT)
}

/// Draws it. What there is no room for is left out, the errors' tail first, then the courses, how to stop, and
/// the lower figures.
pub(super) fn draw(model: &ViewModel, area: Rect, buffer: &mut Buffer) {
    let (head, foot, errors) = (head(model, area.width), foot(area.width), errors(&model.errors, area.width));
    let lines_of = |lines: &[Line<'_>]| u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let mut rest = area.height.saturating_sub(lines_of(&head).saturating_add(1));
    let foot_height = if rest >= lines_of(&foot) { lines_of(&foot) } else { 0 };
    rest -= foot_height;
    // Three lines name the most frequent error and what helps.
    let courses_height = if rest >= COURSES_HEIGHT + lines_of(&errors).min(3) { COURSES_HEIGHT } else { 0 };
    rest -= courses_height;
    let errors_height = rest.min(lines_of(&errors));

    let mut at = area.y;
    let mut next = |height: u16| {
        let row = Rect::new(area.x, at, area.width, height).intersection(area);
        at = at.saturating_add(height);
        row
    };
    let (first, figures) = head.split_at(1.min(head.len()));
    first.iter().for_each(|line| line.render(next(1), buffer));
    gauge(model, next(1), buffer);
    figures.iter().for_each(|line| line.render(next(1), buffer));
    if courses_height > 0 {
        courses(model, next(courses_height), buffer);
    }
    errors.iter().take(errors_height.into()).for_each(|line| line.render(next(1), buffer));
    if foot_height > 0 {
        foot.iter().for_each(|line| line.render(next(1), buffer));
    }
}

/// The figures, the most important first.
fn head(model: &ViewModel, width: u16) -> Vec<Line<'static>> {
    let subject = &model.subject;
    let title = format!("loadgen run {}  {}  {:.0} s", subject.preset, subject.target, model.run_s);
    let mut lines = vec![Line::styled(title, STRONG)];
    let mut row = |label: &str, items: Vec<Span<'static>>| lines.extend(flow(label, items, width));
    match &model.health {
        Health::Good => {}
        Health::Strained(why) => row("strained", words(why, STRAINED)),
        Health::Invalid(why) => row("INVALID", words(why, BAD)),
    }
    let bad_if = |count: u64| if count > 0 { BAD } else { Style::new() };
    row(
        "connections",
        vec![
            format!("{} requested", subject.requested).into(),
            format!("{} open", model.now.open).into(),
            Span::styled(format!("{} failed", model.now.failed), bad_if(model.now.failed)),
            Span::styled(format!("{} lost", model.now.lost), bad_if(model.now.lost)),
        ],
    );
    let newest = model.newest.as_ref();
    let traffic = newest.map_or_else(Vec::new, |point| {
        vec![
            format!("{}sent/s", count(point.sent_per_s)).into(),
            format!("{}received/s", count(point.received_per_s)).into(),
            format!("{}B/s up", short(point.bytes_up_per_s)).into(),
            format!("{}B/s down", short(point.bytes_down_per_s)).into(),
        ]
    });
    row("traffic", or_dash(traffic));
    let latency = newest.and_then(|point| point.latency_us).map_or_else(Vec::new, |latency| {
        let figures = [
            ("p50", Some(latency.p50)),
            ("p95", latency.p95),
            ("p99", Some(latency.p99)),
            ("p99.9", Some(latency.p999)),
            ("max", Some(latency.max)),
        ];
        figures.into_iter().filter_map(|(name, us)| Some(format!("{name} {}", time(us?)).into())).collect()
    });
    row("latency", or_dash(latency));
    row("generator", generator(model));
    lines
}

/// How the generator itself is.
fn generator(model: &ViewModel) -> Vec<Span<'static>> {
    let Some(point) = &model.newest else { return or_dash(Vec::new()) };
    let busy = if point.cpu_percent > BUSY_PERCENT { BAD } else { GOOD };
    let mut items = vec![Span::styled(
        format!("busiest CPU {:.0} % of at most {BUSY_PERCENT:.0} %", point.cpu_percent),
        busy,
    )];
    items.extend(point.send_lag_p99_us.map(|us| Span::from(format!("send lag p99 {}", time(us)))));
    items
}

/// Phase, times and how far it is.
fn gauge(model: &ViewModel, area: Rect, buffer: &mut Buffer) {
    let whole_s = model.elapsed_s + model.remaining_s.unwrap_or(0.0);
    let (times, share) = match model.remaining_s {
        // Rounded apart, so that what is read gives the whole.
        Some(remaining_s) if whole_s > 0.0 => (
            format!("{:.0} s, {:.0} s left", model.elapsed_s.floor(), remaining_s.ceil()),
            model.elapsed_s / whole_s,
        ),
        _ => (format!("{:.0} s", model.elapsed_s.floor()), 0.0),
    };
    let label = format!("{:<LABEL$}{times:<15}", model.phase);
    LineGauge::default()
        .label(Line::styled(label, STRONG))
        .ratio(share.clamp(0.0, 1.0))
        .filled_symbol("█")
        .unfilled_symbol("░")
        .filled_style(GOOD)
        .unfilled_style(QUIET)
        .render(area, buffer);
}

/// p99 and throughput side by side.
fn courses(model: &ViewModel, area: Rect, buffer: &mut Buffer) {
    let half = area.width.saturating_sub(2) / 2;
    let halves = [Rect { width: half, ..area }, Rect { x: area.x + area.width - half, width: half, ..area }];
    // Both fit in 52 bits.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let titles = [
        ("p99", &model.p99_us, (|us| time(us as f64)) as fn(u64) -> String),
        ("messages/s", &model.throughput, |rate| count(rate as f64).trim_end().to_owned()),
    ];
    for (area, (name, figures, show)) in halves.into_iter().zip(titles) {
        let shown = &figures[figures.len().saturating_sub(area.width.into())..];
        let highest = shown.iter().flatten().max();
        let title =
            highest.map_or_else(|| name.to_owned(), |highest| format!("{name}, up to {}", show(*highest)));
        Line::styled(title, QUIET).render(Rect { height: area.height.min(1), ..area }, buffer);
        let columns = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        Sparkline::default().data(shown.iter().copied()).style(COURSE).render(columns, buffer);
    }
}

/// Each error in a line, what helps below.
fn errors(errors: &[ErrorLine], width: u16) -> Vec<Line<'static>> {
    if errors.is_empty() {
        return Vec::new();
    }
    let head = format!("{:<9}{:<22}{:>9}  {}", "stage", "error", "count", "side");
    let mut lines = vec![Line::styled(head, QUIET)];
    for error in errors.iter().take(ERRORS_MAX) {
        let stage = format!("{:?}", error.stage).to_lowercase();
        let line = format!("{stage:<9}{:<22}{:>9}  {}", error.error, error.count, error.side.name());
        lines.push(Line::styled(line, BAD));
        lines.extend(
            wording::of(&error.error)
                .map(|said| flow("  that is:", words(said, Style::new()), width))
                .into_iter()
                .flatten(),
        );
        lines.extend(flow("  helps:", words(&error.remedy, Style::new()), width));
    }
    if let Some(more @ 1..) = errors.len().checked_sub(ERRORS_MAX) {
        lines.push(Line::from(format!("{more} more in the summary")));
    }
    lines
}

/// How to stop.
fn foot(width: u16) -> Vec<Line<'static>> {
    flow("Ctrl-C", words("ends the run, keeps a partial report; twice: at once, without", QUIET), width)
}

fn words(text: &str, style: Style) -> Vec<Span<'static>> {
    text.split(' ').map(|word| Span::styled(word.to_owned(), style)).collect()
}

/// Says that there is nothing yet.
fn or_dash(items: Vec<Span<'static>>) -> Vec<Span<'static>> {
    if items.is_empty() { vec!["-".into()] } else { items }
}

/// A label and items, in as many lines as they need: two blanks between figures, one between words.
fn flow(label: &str, items: Vec<Span<'static>>, width: u16) -> Vec<Line<'static>> {
    let width = usize::from(width);
    let mut lines = Vec::new();
    let mut line = Line::from(Span::styled(format!("{label:<LABEL$}"), STRONG));
    let mut is_first = true;
    for item in items {
        let gap = match (is_first, item.content.contains(' ')) {
            (true, _) => "",
            (false, true) => "  ",
            (false, false) => " ",
        };
        if !is_first && line.width() + gap.len() + item.width() > width {
            lines.push(std::mem::replace(&mut line, Line::from(" ".repeat(LABEL))));
        } else {
            line.push_span(gap);
        }
        line.push_span(item);
        is_first = false;
    }
    lines.push(line);
    lines
}

/// A time in the unit that suits it.
fn time(us: f64) -> String {
    match us {
        ..1_000.0 => format!("{us:.0} µs"),
        ..100_000.0 => format!("{:.2} ms", us / 1e3),
        ..1_000_000.0 => format!("{:.0} ms", us / 1e3),
        _ => format!("{:.2} s", us / 1e6),
    }
}

/// A figure in four or five characters, a blank, and the prefix of the unit that follows, if it has one.
fn short(figure: f64) -> String {
    match figure {
        ..10_000.0 => format!("{figure:.0} "),
        ..1_000_000.0 => format!("{:.1} k", figure / 1e3),
        ..1_000_000_000.0 => format!("{:.1} M", figure / 1e6),
        _ => format!("{:.1} G", figure / 1e9),
    }
}

/// A figure that a word follows.
fn count(figure: f64) -> String {
    let short = short(figure);
    if short.ends_with(' ') { short } else { short + " " }
}

#[cfg(test)]
mod tests;
