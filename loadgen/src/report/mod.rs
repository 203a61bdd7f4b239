//! What is shown and written of results.

pub(crate) mod diff;
pub(crate) mod hdr;
pub(crate) mod html;
pub(crate) mod markdown;
pub(crate) mod output;
pub(crate) mod row;
pub(crate) mod spread;
pub(crate) mod sum_up;
pub(crate) mod table;
