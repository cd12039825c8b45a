//! What the pages of our daemons share: the frame, the style, and the pieces that figures are shown with. A page changes
//! nothing, works without a script, and shows names that strangers chose as text and nothing else.

mod frame;
mod parts;
mod text;

pub use frame::{Frame, Screen, assets};
pub use parts::{cell, figure, section, share_of_budget, table, tile, whole};
pub use text::{counted, name, percent};
