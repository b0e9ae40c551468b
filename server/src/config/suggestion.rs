//! What an unknown key may have meant.

use super::settings::{SETTINGS, Setting};

/// Longest key that is compared; no setting's comes near, and comparing takes length times length.
const COMPARED_CHARS_MAX: usize = 64;

/// What to write instead of `key`: the nearest setting, as `written` spells it, or the keys there are.
pub(super) fn for_key(key: &str, written: impl Fn(&Setting) -> String) -> String {
    if is_table(key) {
        return format!("{key} is a table: [{key}] and below it {}", keys_of(key).join(", "));
    }
    if let Some(near) = nearest(key) {
        return format!("did you mean {}?", written(near));
    }
    match key.split_once('.') {
        Some((table, _)) if is_table(table) => format!("below [{table}]: {}", keys_of(table).join(", ")),
        _ => {
            let top: Vec<&str> =
                SETTINGS.iter().map(|setting| setting.key).filter(|key| !key.contains('.')).collect();
            format!("{}, and the tables {}", top.join(", "), tables().join(", "))
        }
    }
}

/// The setting that is a slip of the finger away from `key`: a third of its letters at most.
fn nearest(key: &str) -> Option<&'static Setting> {
    let length = key.chars().count();
    if length > COMPARED_CHARS_MAX {
        return None;
    }
    let last = |key: &'static str| key.rsplit('.').next().unwrap_or(key);
    // A key without its table is one slip.
    let distance = |setting: &Setting| edits(key, setting.key).min(edits(key, last(setting.key)) + 1);
    SETTINGS
        .iter()
        .map(|setting| (distance(setting), setting))
        .filter(|(distance, _)| *distance <= (length / 3).min(3))
        .min_by_key(|(distance, setting)| (*distance, setting.key))
        .map(|(_, setting)| setting)
}

/// Whether settings lie in a table of this name.
pub(super) fn is_table(name: &str) -> bool {
    tables().contains(&name)
}

/// The tables, in the order of the settings.
fn tables() -> Vec<&'static str> {
    let mut tables: Vec<&str> =
        SETTINGS.iter().filter_map(|setting| setting.key.split_once('.')).map(|(table, _)| table).collect();
    tables.dedup();
    tables
}

fn keys_of(table: &str) -> Vec<&'static str> {
    SETTINGS
        .iter()
        .filter_map(|setting| setting.key.split_once('.'))
        .filter(|(of, _)| *of == table)
        .map(|(_, key)| key)
        .collect()
}

/// Levenshtein distance: single-character edits between two words.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggestion(key: &str) -> String {
        for_key(key, |setting| setting.key.to_owned())
    }

    #[test]
    fn a_near_miss_is_answered_with_the_key_that_was_meant() {
        for (key, meant) in [
            ("tickhz", "tick_hz"),
            ("tick-hz", "tick_hz"),
            ("listne", "listen"),
            ("gme", "game"),
            ("players_max", "room.players_max"),
            ("room_players_max", "room.players_max"),
            ("rooms.players_max", "room.players_max"),
            ("ring.bufers", "ring.buffers"),
            ("level", "log.level"),
        ] {
            assert_eq!(suggestion(key), format!("did you mean {meant}?"), "{key}");
        }
    }

    #[test]
    fn nothing_is_suggested_for_what_is_only_as_short_as_a_setting() {
        for key in
            ["", "a", "x", "pn", ".x", "b.", "9", "abc", "port", "é", "tick_rate", "entirely_different"]
        {
            let text = suggestion(key);
            assert!(
                text.starts_with("listen, admin, ")
                    && text.contains("the tables room, overload, record, arena"),
                "{text}"
            );
        }
        assert!(suggestion(&"tick_hz".repeat(100_000)).starts_with("listen, admin"));
    }

    #[test]
    fn a_table_is_answered_with_its_keys() {
        assert!(suggestion("room").starts_with("room is a table: [room] and below it players_max, "));
        assert!(suggestion("room.nonsense").starts_with("below [room]: players_max, "));
    }

    #[test]
    fn edits_counts_single_character_changes() {
        assert_eq!(edits("tick", "tick"), 0);
        assert_eq!(edits("tick", "tock"), 1);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
