//! One block of a body read: see [`super::block`] for what is in it.

use tickring_protocol::ids::EntityId;

use super::SnapshotError;
use super::bits::{BitReader, Truncated};
use super::column::read_column;
use super::frame::CellState;
use super::grid::CellId;
use super::prediction::{extrapolate, moves, restore, restore_velocity, unzigzag, velocity};
use crate::Field;

/// Entities by rising id, with as many values and velocities each as there are fields.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Columns {
    pub(super) ids: Vec<EntityId>,
    pub(super) values: Vec<i32>,
    velocities: Vec<i32>,
}

impl Columns {
    pub(super) fn clear(&mut self) {
        self.ids.clear();
        self.values.clear();
        self.velocities.clear();
    }

    /// Entities there is memory for.
    pub(super) fn capacity(&self) -> usize {
        self.ids.capacity()
    }

    pub(super) fn shrink(&mut self) {
        self.ids.shrink_to_fit();
        self.values.shrink_to_fit();
        self.velocities.shrink_to_fit();
    }

    pub(super) fn copy(&mut self, from: &Self) {
        self.ids.clone_from(&from.ids);
        self.values.clone_from(&from.values);
        self.velocities.clone_from(&from.velocities);
    }

    pub(super) fn state(&self) -> CellState<'_> {
        CellState { ids: &self.ids, values: &self.values, velocities: &self.velocities }
    }

    fn push(&mut self, from: &Self, at: usize, fields: usize) {
        let range = at * fields..(at + 1) * fields;
        self.ids.push(from.ids[at]);
        self.values.extend_from_slice(&from.values[range.clone()]);
        self.velocities.extend_from_slice(&from.velocities[range]);
    }
}

/// Buffers that are kept from block to block.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    column: Vec<u32>,
    removed: Vec<u32>,
    added: Vec<u32>,
    /// The cell being read, and those added to it.
    pub(super) next: Columns,
    new: Columns,
    /// Cells that have been emptied.
    pub(super) spare: Vec<Columns>,
}

impl Scratch {
    /// Entities there is memory for.
    pub(super) fn capacity(&self) -> usize {
        let columns = self.spare.iter().chain([&self.next, &self.new]);
        self.spare.capacity() + columns.map(Columns::capacity).sum::<usize>()
    }

    /// Reads a block into `next`.
    pub(super) fn read(
        &mut self,
        bits: &mut BitReader<'_>,
        then: &Columns,
        ago: u8,
        fields: &[Field],
        cell: CellId,
    ) -> Result<(), SnapshotError> {
        let wrong = SnapshotError::Entities { cell };
        read_distances(bits, &mut self.removed)?;
        if self.removed.last().is_some_and(|last| *last as usize >= then.ids.len()) {
            return Err(wrong);
        }
        self.next.clear();
        let mut removed = self.removed.iter().peekable();
        for at in 0..then.ids.len() {
            if removed.next_if(|gone| **gone as usize == at).is_none() {
                self.next.push(then, at, fields.len());
            }
        }
        self.advance(bits, ago, fields)?;
        self.read_added(bits, fields)?;
        self.merge(fields.len(), wrong)
    }

    /// Brings those who stay up to date.
    fn advance(&mut self, bits: &mut BitReader<'_>, ago: u8, fields: &[Field]) -> Result<(), SnapshotError> {
        let Columns { ids, values, velocities } = &mut self.next;
        if ids.is_empty() {
            return Ok(());
        }
        self.column.resize(ids.len(), 0);
        for (number, field) in fields.iter().enumerate() {
            read_column(bits, &mut self.column, field.bits.into())?;
            let places = (number..).step_by(fields.len());
            for (residual, at) in self.column.iter().zip(places) {
                let before = values[at];
                values[at] = restore(field, *residual, extrapolate(before, velocities[at], ago.into()));
                if ago == 1 {
                    velocities[at] = velocity(field, before, values[at]);
                }
            }
        }
        if ago > 1 {
            for (number, field) in fields.iter().enumerate().filter(|(_, field)| moves(field)) {
                read_column(bits, &mut self.column, field.bits.into())?;
                let places = (number..).step_by(fields.len());
                for (residual, at) in self.column.iter().zip(places) {
                    velocities[at] = restore_velocity(field, *residual, velocities[at]);
                }
            }
        }
        Ok(())
    }

    /// Reads those who came into `new`.
    fn read_added(&mut self, bits: &mut BitReader<'_>, fields: &[Field]) -> Result<(), SnapshotError> {
        read_distances(bits, &mut self.added)?;
        self.new.clear();
        for &id in &self.added {
            let id = u16::try_from(id).map_err(|_| SnapshotError::Truncated)?;
            self.new.ids.push(EntityId(id));
            for field in fields {
                self.new.values.push(restore(field, bits.take(field.bits.into())?, 0));
            }
        }
        self.new.velocities.resize(self.new.values.len(), 0);
        if self.added.is_empty() {
            return Ok(());
        }
        self.column.resize(self.added.len(), 0);
        for (number, field) in fields.iter().enumerate().filter(|(_, field)| moves(field)) {
            read_column(bits, &mut self.column, field.bits.into())?;
            let places = (number..).step_by(fields.len());
            for (residual, at) in self.column.iter().zip(places) {
                self.new.velocities[at] = unzigzag(*residual);
            }
        }
        Ok(())
    }

    /// Puts those who came among those who stay.
    fn merge(&mut self, fields: usize, wrong: SnapshotError) -> Result<(), SnapshotError> {
        if self.new.ids.is_empty() {
            return Ok(());
        }
        let stayed = std::mem::replace(&mut self.next, self.spare.pop().unwrap_or_default());
        self.next.clear();
        let (mut old, mut new) = (0, 0);
        while old < stayed.ids.len() || new < self.new.ids.len() {
            let came = self.new.ids.get(new);
            let result = match (stayed.ids.get(old), came) {
                (Some(one), Some(other)) if one == other => Err(wrong),
                (Some(one), other) if other.is_none_or(|other| one < other) => {
                    self.next.push(&stayed, old, fields);
                    old += 1;
                    Ok(())
                }
                _ => {
                    self.next.push(&self.new, new, fields);
                    new += 1;
                    Ok(())
                }
            };
            result?;
        }
        self.spare.push(stayed);
        Ok(())
    }
}

/// A count, then rising numbers.
fn read_distances(bits: &mut BitReader<'_>, numbers: &mut Vec<u32>) -> Result<(), Truncated> {
    numbers.clear();
    let mut next = 0;
    for _ in 0..bits.take_count()? {
        let number = next + u32::from(bits.take_count()?);
        numbers.push(number);
        next = number + 1;
    }
    Ok(())
}
