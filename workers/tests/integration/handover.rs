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
        store.register_worker(old, "old", None).await.unwrap();
        store.beat(old, true).await.unwrap().expect("it is known");
        assert_eq!(store.balance_partitions(old, true).await.unwrap().len(), all);
        let mut news = store.listen_for_jumps().await.unwrap();

        store.register_worker(new, "new", None).await.unwrap();
        assert!(hears_of_workers(&mut news).await, "nobody heard that a worker came");
        assert!(
            store.balance_partitions(new, true).await.unwrap().is_empty(),
            "nothing is free yet"
        );
        // Its relay is still connecting: nothing moves until it can publish.
        assert_eq!(store.balance_partitions(old, true).await.unwrap().len(), all);
        assert!(!store.has_company(old, HEAR_WAIT_MAX).await.unwrap(), "it cannot publish yet");
        store.beat(new, true).await.unwrap().expect("it is known");
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

#[test]
fn who_cannot_publish_leaves_its_partitions_to_those_who_can_and_gets_them_back() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = &world.stage.store;
        let (cut, well) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let all = usize::try_from(PARTITIONS).unwrap();
        for worker in [cut, well] {
            store.register_worker(worker, "a worker", None).await.unwrap();
        }
        let beat = async |worker, publishes| {
            let beats = store.beat(worker, publishes).await.unwrap().expect("it is known");
            assert_eq!(beats.len(), 2);
        };
        let holds = async |worker, may_give| {
            store.balance_partitions(worker, may_give).await.unwrap().len()
        };
        // At the start nobody has a broker yet: what is free is taken all the same.
        for worker in [cut, well] {
            assert_eq!(holds(worker, true).await, all / 2, "what is free is not taken");
        }
        beat(well, true).await;
        assert_eq!(holds(well, true).await, all / 2, "nothing is free yet");
        assert_eq!(holds(cut, false).await, all / 2, "it gave away in the middle of a round");
        assert_eq!(holds(cut, true).await, 0, "it kept what it cannot publish");
        assert_eq!(holds(well, true).await, all);
        assert!(!store.has_company(well, HEAR_WAIT_MAX).await.unwrap(), "it could leave to nobody");
        assert!(store.has_company(cut, HEAR_WAIT_MAX).await.unwrap());
        // Now nobody can: nothing changes hands.
        beat(well, false).await;
        assert_eq!((holds(well, true).await, holds(cut, true).await), (all, 0));
        beat(cut, true).await;
        assert_eq!((holds(well, true).await, holds(cut, true).await), (0, all));
        beat(well, true).await;
        assert_eq!((holds(cut, true).await, holds(well, true).await), (all / 2, all / 2));
        world.strike().await;
    });
}
