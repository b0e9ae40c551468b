//! What a room was made from.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::CHUNK_BYTES_MAX;
use crate::{ConfigError, Game, RoomConfig};

/// All that a room is made from, and where it came from. JSON in the recording, for people and other tools.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// [`Game::NAME`].
    pub game: String,
    /// [`Game::LAYOUT`].
    pub layout: u64,
    /// [`Game::VERSION`] of the program that wrote it. Rules may differ between versions although layouts do not.
    pub version: String,
    /// The room's name.
    pub room: String,
    /// When the room began, milliseconds since 1970 (UTC).
    pub started_unix_ms: u64,
    /// The room's configuration with its own seed.
    pub config: RoomConfig,
    /// The game's settings.
    pub settings: Value,
}

/// Why a header cannot be used, or not be made.
#[derive(Debug, Error)]
pub enum HeaderError {
    /// It is not what a recorder of this version writes.
    #[error("its header is none that this version writes: {0}")]
    Unreadable(serde_json::Error),
    /// It is of another game.
    #[error("it is a recording of the game {found}; known here: {known}")]
    Game {
        /// Its game.
        found: String,
        /// The games that can be played.
        known: String,
    },
    /// The game has other layouts by now.
    #[error(
        "it was made with layout {found:016x} of {game}, and this program has {known:016x}: use the program that wrote it"
    )]
    Layout {
        /// The game.
        game: &'static str,
        /// The recording's layout.
        found: u64,
        /// This program's layout.
        known: u64,
    },
    /// No room can be configured like this.
    #[error("its room's configuration is not allowed: {0}")]
    Config(#[from] ConfigError),
    /// The settings and their JSON are not the same thing to the game.
    #[error("the JSON for the settings of the game {game} does not fit what it reads: {why}")]
    Settings {
        /// The game.
        game: &'static str,
        /// What the serialiser says.
        why: serde_json::Error,
    },
    /// Settings are a few lines, not so many bytes.
    #[error("the header would have {bytes} bytes, and at most {CHUNK_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

impl Header {
    /// The header of a room that is about to be made.
    ///
    /// # Errors
    /// When the settings do not survive being written and read.
    pub fn new<G: Game>(
        room: &str,
        started_unix_ms: u64,
        config: &RoomConfig,
        settings: &G::Settings,
    ) -> Result<Self, HeaderError> {
        let written =
            serde_json::to_value(settings).map_err(|why| HeaderError::Settings { game: G::NAME, why })?;
        let header = Self {
            game: G::NAME.to_owned(),
            layout: G::LAYOUT,
            version: G::VERSION.to_owned(),
            room: room.to_owned(),
            started_unix_ms,
            config: config.clone(),
            settings: written,
        };
        header.settings::<G>()?;
        Ok(header)
    }

    /// The settings as the game has them.
    ///
    /// # Errors
    /// When the recording is of another game or layout, or its settings are none of this version.
    pub fn settings<G: Game>(&self) -> Result<G::Settings, HeaderError> {
        if self.game != G::NAME {
            return Err(HeaderError::Game { found: self.game.clone(), known: G::NAME.to_owned() });
        }
        if self.layout != G::LAYOUT {
            return Err(HeaderError::Layout { game: G::NAME, found: self.layout, known: G::LAYOUT });
        }
        serde_json::from_value(self.settings.clone())
            .map_err(|why| HeaderError::Settings { game: G::NAME, why })
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, HeaderError> {
        let json = serde_json::to_vec(self).map_err(HeaderError::Unreadable)?;
        if json.len() > CHUNK_BYTES_MAX {
            return Err(HeaderError::TooLarge { bytes: json.len() });
        }
        Ok(json)
    }

    pub(super) fn from_json(json: &[u8]) -> Result<Self, HeaderError> {
        serde_json::from_slice(json).map_err(HeaderError::Unreadable)
    }
}
