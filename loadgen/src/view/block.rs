//! Some lines of a terminal that are drawn over and over, in its own language.
//!
//! The cursor always rests at the start of the line below, so that whatever comes next, a shell's prompt or
//! what somebody types, stands below. All movements are relative: where on the terminal the block stands is
//! not known, and need not be.

use std::io::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use super::draw;
use super::model::ViewModel;

/// Of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: u16,
    pub(super) rows: u16,
}

/// The lines that are drawn over.
#[derive(Debug)]
pub(super) struct Block {
    has_colors: bool,
    /// How many there are on the terminal, and how large it was when they were drawn.
    drawn: Option<(u16, Size)>,
}

impl Block {
    /// One that is not on the terminal yet.
    pub(super) const fn new(has_colors: bool) -> Self {
        Self { has_colors, drawn: None }
    }

    /// Leaves what is drawn where it is, and draws elsewhere next.
    pub(super) const fn forget(&mut self) {
        self.drawn = None;
    }

    /// Appends what takes the block away.
    pub(super) fn erase(&mut self, size: Size, bytes: &mut Vec<u8>) {
        if self.drawn.is_some() {
            self.go_to_top(size, bytes);
            push(bytes, format_args!("\x1b[J"));
        }
        self.drawn = None;
    }

    /// Appends what draws the block, over the last one if there is one.
    pub(super) fn draw(&mut self, model: &ViewModel, size: Size, bytes: &mut Vec<u8>) {
        if self.drawn.is_some_and(|(_, then)| then != size) {
            // What was drawn may be broken into more lines now, and those that had to move up are lost to us.
            self.erase(size, bytes);
        }
        // The last column stays free: terminals differ in where the cursor is after it. So does the last row,
        // for the cursor.
        let width = size.columns.saturating_sub(1);
        let height = draw::height(model, width).min(size.rows.saturating_sub(1));
        let area = Rect::new(0, 0, width, height);
        let mut buffer = Buffer::empty(area);
        draw::draw(model, area, &mut buffer);
        self.go_to_top(size, bytes);
        self.rows(&buffer, bytes);
        push(bytes, format_args!("\x1b[J"));
        self.drawn = Some((height, size));
    }

    /// To the start of the first line of what is drawn.
    fn go_to_top(&self, size: Size, bytes: &mut Vec<u8>) {
        push(bytes, format_args!("\r"));
        let up = self.drawn.map_or(0, |(rows, _)| rows).min(size.rows.saturating_sub(1));
        if up > 0 {
            push(bytes, format_args!("\x1b[{up}A"));
        }
    }

    fn rows(&self, buffer: &Buffer, bytes: &mut Vec<u8>) {
        // What differs from nothing; the second halves of wide characters are left out.
        let empty = Buffer::empty(buffer.area);
        let cells = empty.diff(buffer);
        let mut cells = cells.into_iter().peekable();
        for y in 0..buffer.area.height {
            push(bytes, format_args!("\x1b[2K"));
            let mut style = String::new();
            // The column after the last cell, and whether that was surely one column wide.
            let (mut at, mut is_narrow) = (0, true);
            while let Some((x, _, cell)) = cells.next_if(|(_, row, _)| *row == y) {
                match x - at {
                    0 => {}
                    gap @ 1..=3 if is_narrow => push(bytes, format_args!("{:1$}", "", usize::from(gap))),
                    _ => push(bytes, format_args!("\x1b[{}G", x + 1)),
                }
                let wanted = self.style(cell);
                if wanted != style {
                    push(bytes, format_args!("\x1b[0{wanted}m"));
                    style = wanted;
                }
                push(bytes, format_args!("{}", cell.symbol()));
                (at, is_narrow) = (x + 1, cell.symbol().is_ascii());
            }
            let plain = if style.is_empty() { "" } else { "\x1b[0m" };
            push(bytes, format_args!("{plain}\r\n"));
        }
    }

    /// The parameters of a cell's style, each with a semicolon in front; empty for a plain one.
    fn style(&self, cell: &Cell) -> String {
        let mut style = String::new();
        for (modifier, code) in [(Modifier::BOLD, ";1"), (Modifier::DIM, ";2")] {
            if cell.modifier.contains(modifier) {
                style.push_str(code);
            }
        }
        let color = match cell.fg {
            _ if !self.has_colors => "",
            Color::Red => ";31",
            Color::Green => ";32",
            Color::Yellow => ";33",
            Color::Cyan => ";36",
            _ => "",
        };
        style.push_str(color);
        style
    }
}

fn push(bytes: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    bytes.write_fmt(text).expect("a vector takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [Size; 6] = [
        Size { columns: 80, rows: 24 },
        Size { columns: 40, rows: 10 },
        Size { columns: 200, rows: 60 },
        Size { columns: 1, rows: 1 },
        Size { columns: 2, rows: 2 },
        Size { columns: 0, rows: 0 },
    ];

    fn drawn(block: &mut Block, size: Size) -> String {
        let mut bytes = Vec::new();
        block.draw(&ViewModel::example(), size, &mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_cursor_goes_up_by_as_many_lines_as_it_went_down() {
        for size in SIZES {
            let mut block = Block::new(true);
            let first = drawn(&mut block, size);
            let lines = first.matches("\r\n").count();
            assert!(lines < usize::from(size.rows.max(1)), "{size:?}");
            assert!(first.starts_with("\r\x1b[2K") || lines == 0, "nothing is there to go up to: {first:?}");
            let second = drawn(&mut block, size);
            let up = if lines == 0 { "\r".to_owned() } else { format!("\r\x1b[{lines}A") };
            assert!(second.starts_with(&up), "{size:?}: {second:?}");
            let mut gone = Vec::new();
            block.erase(size, &mut gone);
            assert_eq!(String::from_utf8(gone).unwrap(), format!("{up}\x1b[J"));
        }
    }

    #[test]
    fn every_line_ends_plain() {
        for line in drawn(&mut Block::new(true), SIZES[0]).split("\r\n") {
            let last = line.rfind("\x1b[0").map(|at| &line[at..]);
            assert!(last.is_none_or(|style| style.starts_with("\x1b[0m")), "{line:?}");
        }
    }

    #[test]
    fn without_colors_nothing_is_coloured() {
        let [colored, plain] = [true, false].map(|colors| drawn(&mut Block::new(colors), SIZES[0]));
        assert!(colored.contains(";3"), "{colored:?}");
        assert!(!plain.contains(";3"), "{plain:?}");
    }

    #[test]
    fn a_window_of_another_size_is_drawn_anew() {
        let mut block = Block::new(true);
        for (from, to) in SIZES.into_iter().flat_map(|from| SIZES.map(|to| (from, to))) {
            drawn(&mut block, from);
            let text = drawn(&mut block, to);
            assert_eq!(from != to, text.matches("\x1b[J").count() == 2, "{from:?} {to:?}: {text:?}");
        }
    }
}
