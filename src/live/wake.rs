//! What wakes a lane: the loop of one destination.
//!
//! Values only.

use crate::input::tail::file_system::FsEvent;
use crate::record::Receipt;

use super::keeper::Kept;

/// Something happened.
#[derive(Debug)]
pub enum Wake {
    /// Files have changed.
    Files(FsEvent),
    /// The destination has these, or refused them for good.
    Settled(Vec<Receipt>),
    /// Positions were written down, or were not.
    Kept(Kept),
    /// Somebody asks how far sources are.
    Asked,
    /// Nothing more is read; what was read is still to be delivered.
    Stop,
    /// Nothing more is waited for.
    End,
}
