//! The games that a program has.

use super::settings::Setting;

/// The games of the binary that ships, the default first.
const SHIPPED: [&str; 3] = ["arena", "snakes", "pulse"];

/// The games that a program can serve, by name. The setting `game` is one of them, and the first of them by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Games(Vec<&'static str>);

impl Games {
    /// A program that can serve these, `first` by default.
    #[must_use]
    pub fn new(first: &'static str, others: &[&'static str]) -> Self {
        Self([&[first], others].concat())
    }

    /// Which one is served if nobody asks for another.
    pub(super) fn first(&self) -> &'static str {
        self.0[0]
    }

    /// The game of this name.
    pub(super) fn find(&self, name: &str) -> Option<&'static str> {
        self.0.iter().copied().find(|&game| game == name)
    }

    /// Whether a setting means anything here: those of the games that ship do only where that game is.
    pub(super) fn have(&self, setting: &Setting) -> bool {
        let table = setting.key.split_once('.').map_or("", |(table, _)| table);
        !SHIPPED.contains(&table) || self.find(table).is_some()
    }

    /// What is allowed, as a table of settings would say it.
    pub(super) fn allowed(&self) -> String {
        match self.0.split_last() {
            Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
            _ => self.first().to_owned(),
        }
    }
}

/// Those of the binary that ships.
impl Default for Games {
    fn default() -> Self {
        Self(SHIPPED.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_settings_tells_the_games_that_ship() {
        let (setting, games) = (Setting::find("game").unwrap(), Games::default());
        assert_eq!((setting.default, setting.allowed), (games.first(), &*games.allowed()));
        assert!(super::super::SETTINGS.iter().all(|setting| games.have(setting)));
    }
}
