//! Workers that come and go hand over what they hold at once, not at the others' next heartbeat.

use std::time::Duration;

use uuid::Uuid;
use workers::store::{
    clock::{Jumps, News},
    outbox::PARTITIONS,
};

use crate::{
    servers::run,
    world::{Scene, World},
};

/// What was told is heard within this.
const HEAR_WAIT_MAX: Duration = Duration::from_secs(30);

async fn hears_of_workers(news: &mut Jumps) -> bool {
    let hearing = async { while news.hear().await.unwrap() != News::Workers {} };
    tokio::time::timeout(HEAR_WAIT_MAX, hearing).await.is_ok()
}

#[test]
fn partitions_change_hands_when_a_worker_says_that_it_comes_or_goes() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = &world.stage.store;
        let (old, new) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let all = usize::try_from(PARTITIONS).unwrap();
        store.register_worker(old, "old").await.unwrap();
        assert_eq!(store.balance_partitions(old, true).await.unwrap().len(), all);
        let mut news = store.listen_for_jumps().await.unwrap();

        store.register_worker(new, "new").await.unwrap();
        assert!(hears_of_workers(&mut news).await, "nobody heard that a worker came");
        assert!(
            store.balance_partitions(new, true).await.unwrap().is_empty(),
            "nothing is free yet"
        );
        // In the middle of a round it gives nothing, and takes what is free.
        assert_eq!(store.balance_partitions(old, false).await.unwrap().len(), all);
        let kept = store.balance_partitions(old, true).await.unwrap();
        assert_eq!(kept.len(), all / 2);
        assert!(hears_of_workers(&mut news).await, "nobody heard that partitions are free");
        let taken = store.balance_partitions(new, true).await.unwrap();
        assert_eq!(kept.len() + taken.len(), all);

        assert!(store.has_company(old, HEAR_WAIT_MAX).await.unwrap());
        store.leave(new).await.unwrap();
        assert!(!store.has_company(old, HEAR_WAIT_MAX).await.unwrap(), "who goes is no company");
        store.remove_worker(new).await.unwrap();
        assert!(hears_of_workers(&mut news).await, "nobody heard that a worker went");
        assert_eq!(store.balance_partitions(old, true).await.unwrap().len(), all);
        assert!(!store.has_company(old, HEAR_WAIT_MAX).await.unwrap(), "who went is no company");
        world.strike().await;
    });
}
