//! What is to be run: settings, the lists that make many of them, the files that hold such lists, and the times at which
//! messages are meant to start.

pub(crate) mod file;
mod grid;
pub(crate) mod schedule;
mod settings;
mod text;

pub(crate) use self::grid::{Grid, positive};
pub(crate) use self::settings::*;
