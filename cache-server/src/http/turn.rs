//! A turn for the others between reading a request and answering it. Requests that arrived together are then read
//! together and answered together: their code and data stay in the processor's cache, and a client with many
//! connections is woken once for many answers instead of once for each. Measured with objects of 4 KiB over 64
//! connections: a tenth of the server's time. A connection that is alone is polled once more, and no later.

use std::future::poll_fn;
use std::task::Poll;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Others,
    Ours,
}

/// Goes to the end of the queue of tasks, once. Unlike tokio's `yield_now` it does not ask the kernel for news first.
pub(crate) async fn after_the_others() {
    let mut turn = Turn::Others;
    poll_fn(|cx| match std::mem::replace(&mut turn, Turn::Ours) {
        Turn::Ours => Poll::Ready(()),
        Turn::Others => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::task::LocalSet;

    use super::*;

    #[tokio::test]
    async fn what_came_together_is_read_before_the_first_is_answered() {
        let order = Rc::new(RefCell::new(Vec::new()));
        let local = LocalSet::new();
        for n in 0..3 {
            let order = Rc::clone(&order);
            local.spawn_local(async move {
                order.borrow_mut().push(format!("read {n}"));
                after_the_others().await;
                order.borrow_mut().push(format!("answered {n}"));
            });
        }
        local.await;
        assert_eq!(*order.borrow(), ["read 0", "read 1", "read 2", "answered 0", "answered 1", "answered 2"]);
    }
}
