//! What the ledger of a machine says.

use std::sync::Arc;

use hearth_host::clock::SystemClock;
use hearth_ledger::{Book, Execution};
use hearth_tests::world::World;

/// Every execution, newest first.
pub(crate) fn ledger(world: &World) -> Vec<Execution> {
    let book = Book::open(&world.state().join("ledger"), Arc::new(SystemClock::default()));
    book.expect("the ledger can be opened").book.recent(100_000).expect("the ledger answers")
}
