//! A call on the store that is given up leaves nothing behind in its connection.

use std::{future::Future, task::Poll};

use workers::store::Store;

use crate::{
    servers::run,
    world::{Scene, World, until},
};

/// Calls that are given up: more than there are connections.
const GIVEN_UP: usize = 40;

/// Polls once and drops: what a limit does that strikes while an answer is awaited.
async fn give_up_after_one_poll<T>(call: impl Future<Output = T>) -> bool {
    let mut call = Box::pin(call);
    std::future::poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_pending())).await
}

#[test]
fn a_transaction_whose_begin_was_given_up_is_not_met_by_the_next_user_of_its_connection() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = Store::new(&world.stage.servers.database_url, 6).unwrap();
        store.ping().await.unwrap();
        let mut given_up = 0;
        for _ in 0..GIVEN_UP {
            given_up += usize::from(give_up_after_one_poll(store.begin()).await);
            // A write of its own: where it stands inside of somebody's transaction, nobody commits it.
            store.ping().await.unwrap();
        }
        assert!(given_up > 0, "every begin was answered at once: nothing was tried");
        let open = "SELECT pid FROM pg_stat_activity WHERE application_name = 'hub'
                       AND datname = current_database() AND state LIKE 'idle in transaction%'";
        until("no connection is left inside of a transaction", async || {
            world.rows(open).await.is_empty().then_some(())
        })
        .await;
        // What is written next is committed, and seen by everybody else.
        let worker = uuid::Uuid::from_u128(7);
        for _ in 0..GIVEN_UP {
            give_up_after_one_poll(store.begin()).await;
            store
                .register_worker(worker, "written after a begin that was given up", None)
                .await
                .unwrap();
            let seen = format!("SELECT 1 FROM hub.worker WHERE id = '{worker}'");
            assert_eq!(world.rows(&seen).await.len(), 1, "a write that returned is not there");
            store.remove_worker(worker).await.unwrap();
            assert_eq!(world.rows(&seen).await.len(), 0, "a write that returned is not there");
        }
        store.close().await;
        world.strike().await;
    });
}
