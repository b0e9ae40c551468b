//! The phases of the window in the drawings over time: a line where each begins, and what it is called above.

use super::markup::harmless;
use crate::report::view::View;

/// Phases that are drawn of one run: a plan has at most as many.
const MARKS_MAX: usize = 100;
/// Longest name in a legend, characters.
const NAME_CHARS_MAX: usize = 60;
/// Room that a character of a label takes at its largest, in parts of the axis.
const CHARACTER: f64 = 0.026;
/// Two runs' phases begin together when they are no farther apart than this, seconds.
const TOGETHER_S: f64 = 1.0;

/// Where a phase begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    /// After the first attempt to connect.
    pub(super) at_s: f64,
    pub(super) name: String,
}

/// The phases of a run that has several. One alone is the window, which is drawn anyway.
pub(super) fn of_one(view: &View) -> Vec<Mark> {
    if view.phases.len() < 2 {
        return Vec::new();
    }
    let mark = |phase: &crate::report::crowd::PhaseFigures| Mark {
        at_s: view.window_start_s + phase.start_s,
        name: harmless(&phase.name, NAME_CHARS_MAX).replace(['\n', '\t'], " "),
    };
    view.phases.iter().take(MARKS_MAX).map(mark).collect()
}

/// The phases of two runs, where they are the same at the same times.
pub(super) fn of_two(a: &View, b: &View) -> Vec<Mark> {
    let (of_a, of_b) = (of_one(a), of_one(b));
    let is_same = |(a, b): (&Mark, &Mark)| a.name == b.name && (a.at_s - b.at_s).abs() <= TOGETHER_S;
    if of_a.len() == of_b.len() && of_a.iter().zip(&of_b).all(is_same) { of_a } else { Vec::new() }
}

/// What is written over a drawing, and what its legend has to explain.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Labels {
    /// A place on the axis, and the text that begins there.
    pub(super) above: Vec<(f64, String)>,
    pub(super) legend: Vec<String>,
}

/// Names where all have room; else numbers, those that have room, which the legend explains. `places`: from 0 to 1, in
/// their order.
pub(super) fn labels(marks: &[(f64, &str)]) -> Labels {
    let room = |at: usize| marks.get(at + 1).map_or(1.0, |(next, _)| *next) - marks[at].0;
    let fits = |at: usize, characters: usize| {
        #[expect(clippy::cast_precision_loss, reason = "some dozens of characters")]
        let wanted = (characters + 1) as f64 * CHARACTER;
        wanted <= room(at)
    };
    if (0..marks.len()).all(|at| fits(at, marks[at].1.chars().count())) {
        let above = marks.iter().map(|(place, name)| (*place, (*name).to_owned())).collect();
        return Labels { above, legend: Vec::new() };
    }
    let number = |at: usize| (at + 1).to_string();
    Labels {
        above: (0..marks.len())
            .filter(|at| fits(*at, number(*at).len()))
            .map(|at| (marks[at].0, number(at)))
            .collect(),
        legend: (0..marks.len()).map(|at| format!("{} {}", number(at), marks[at].1)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn phases_begin_with_the_window() {
        let mut view = samples::view();
        let marks = of_one(&view);
        let told: Vec<(f64, &str)> = marks.iter().map(|mark| (mark.at_s, &*mark.name)).collect();
        assert_eq!(told, [(2.5, "calm"), (12.5, "storm")]);
        assert_eq!(of_two(&view, &view), marks);
        let mut other = view.clone();
        other.phases[1].start_s += 5.0;
        assert_eq!(of_two(&view, &other), [], "they would be wrong for one of them");
        view.phases.pop();
        assert_eq!(of_one(&view), []);
    }

    #[test]
    fn names_that_have_no_room_are_numbered() {
        let named = labels(&[(0.1, "calm"), (0.4, "storm")]);
        assert_eq!(named.above, [(0.1, "calm".to_owned()), (0.4, "storm".to_owned())]);
        assert!(named.legend.is_empty());
        let numbered = labels(&[(0.1, "the line breaks"), (0.4, "b"), (0.42, "after")]);
        assert_eq!(numbered.above, [(0.1, "1".to_owned()), (0.42, "3".to_owned())], "2 has no room");
        assert_eq!(numbered.legend, ["1 the line breaks", "2 b", "3 after"]);
        assert_eq!(labels(&[]), Labels::default());
    }
}
