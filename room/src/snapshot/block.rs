//! One cell's entities as bytes: what changed since a snapshot that the reader has, or all of it.
//!
//! ```text
//! block   = cell (LEB128), kind u8, then bits up to a whole byte:
//! kind 0       a keyframe: everything
//! kind 1..=31  a delta to the snapshot so many before this one
//! kind 255     the cell is out of sight: forget it; no bits
//! bits    = removed: count, then per entity the distance to the one before in the reader's list
//!           per field: a column of the residuals of those who stay
//!           kinds 2..=31, per moving field: a column of the residuals of their velocities
//!           added: count, then per entity the distance to the id before, and each field in full width
//!           per moving field: a column of the velocities of the added
//! ```
//!
//! Counts and distances are gamma codes, columns as in [`super::column`]. A residual is the difference to the
//! linear extrapolation of what the reader has. A reader who has the snapshot before this one needs no velocities
//! of those who stay: it knows them as the change from one to the other. Everyone else is told them, and from then
//! on is in step with all the others: the same bytes serve everybody.

use tickring_protocol::ids::EntityId;

use super::FORGET;
use super::bits::BitWriter;
use super::column::write_column;
use super::frame::CellState;
use super::grid::CellId;
use super::prediction::{extrapolate, moves, residual, zigzag};
use crate::Field;

/// Buffers that are kept from block to block.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    column: Vec<u32>,
    /// Places of those who stay: then and now.
    stayed: Vec<(u32, u32)>,
    /// Places then.
    removed: Vec<u32>,
    /// Places now.
    added: Vec<u32>,
}

/// Appends the order to forget a cell.
pub(super) fn write_forget(cell: CellId, out: &mut Vec<u8>) {
    write_cell(cell, out);
    out.push(FORGET);
}

/// How long that is.
pub(super) fn forget_bytes(cell: CellId) -> usize {
    1 + match cell {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000.. => 3,
    }
}

/// Appends what changed in a cell since the snapshot `ago` (1..=31) before, or all of it ([`super::KEYFRAME`])
/// when `then` is empty.
pub(super) fn write_block(
    cell: CellId,
    ago: u8,
    then: CellState<'_>,
    now: CellState<'_>,
    fields: &[Field],
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) {
    write_cell(cell, out);
    out.push(ago);
    let Scratch { column, stayed, removed, added } = scratch;
    compare(then.ids, now.ids, stayed, removed, added);
    let mut writer = BitWriter::new(out);
    let bits = &mut writer;
    write_distances(
        bits,
        removed.iter().map(|place| u16::try_from(*place).expect("places are entity counts")),
    );
    if !stayed.is_empty() {
        let at = |place: u32, field: usize| place as usize * fields.len() + field;
        let steps = i32::from(ago);
        for (number, field) in fields.iter().enumerate() {
            column.clear();
            column.extend(stayed.iter().map(|&(before, after)| {
                let from = at(before, number);
                let predicted = extrapolate(then.values[from], then.velocities[from], steps);
                residual(field, now.values[at(after, number)], predicted)
            }));
            write_column(bits, column, field.bits.into());
        }
        if ago > 1 {
            for (number, field) in fields.iter().enumerate().filter(|(_, field)| moves(field)) {
                column.clear();
                column.extend(stayed.iter().map(|&(before, after)| {
                    residual(field, now.velocities[at(after, number)], then.velocities[at(before, number)])
                }));
                write_column(bits, column, field.bits.into());
            }
        }
    }
    write_added(bits, now, added, fields, column);
    writer.finish();
}

fn write_added(
    bits: &mut BitWriter<'_>,
    now: CellState<'_>,
    added: &[u32],
    fields: &[Field],
    column: &mut Vec<u32>,
) {
    write_distances(bits, added.iter().map(|place| now.ids[*place as usize].0));
    if added.is_empty() {
        return;
    }
    for &place in added {
        for (field, value) in fields.iter().zip(&now.values[place as usize * fields.len()..]) {
            bits.put(residual(field, *value, 0), field.bits.into());
        }
    }
    for (number, field) in fields.iter().enumerate().filter(|(_, field)| moves(field)) {
        column.clear();
        let velocity = |place: &u32| zigzag(now.velocities[*place as usize * fields.len() + number]);
        column.extend(added.iter().map(velocity));
        write_column(bits, column, field.bits.into());
    }
}

/// A count, then the first of the rising numbers and how far each further one is behind the next possible.
fn write_distances(bits: &mut BitWriter<'_>, numbers: impl ExactSizeIterator<Item = u16>) {
    bits.put_count(u16::try_from(numbers.len()).expect("a world holds at most 65,535 entities"));
    let mut next = 0;
    for number in numbers {
        bits.put_count(number - next);
        next = number.saturating_add(1);
    }
}

/// Who stayed, who went and who came, both lists being by rising id.
fn compare(
    then: &[EntityId],
    now: &[EntityId],
    stayed: &mut Vec<(u32, u32)>,
    removed: &mut Vec<u32>,
    added: &mut Vec<u32>,
) {
    stayed.clear();
    removed.clear();
    added.clear();
    let (mut before, mut after) = ((0u32..).zip(then).peekable(), (0u32..).zip(now).peekable());
    loop {
        match (before.peek(), after.peek()) {
            (Some((old, one)), Some((new, other))) if one == other => {
                stayed.push((*old, *new));
                before.next();
                after.next();
            }
            (Some((old, one)), other) if other.is_none_or(|(_, other)| one < other) => {
                removed.push(*old);
                before.next();
            }
            (_, Some((new, _))) => {
                added.push(*new);
                after.next();
            }
            _ => return,
        }
    }
}

/// LEB128 (DWARF 5, section 7.6).
fn write_cell(cell: CellId, out: &mut Vec<u8>) {
    let mut rest = cell;
    while rest >= 0x80 {
        out.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}
