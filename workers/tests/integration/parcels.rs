//! Labels, couriers and parcels (D13-D18, D23), from the reserved order to the end of its tracking.

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz};
use serde_json::{Value, json};

use crate::{
    orders::{QUICK_POST, call_courier, give_back, label, number_of, subject},
    servers::run,
    world::{QUICK, Scene, World, common, id, until, within},
};

async fn post() -> World {
    World::build(Scene { settings: format!("{QUICK}{QUICK_POST}"), ..Scene::default() }).await
}

/// An order with its label; its number.
async fn labelled(world: &World, order: &str) -> String {
    world.at_the_counter(order, &["label"]).await;
    let name = format!("{order} label");
    world.send(&label(order, &name)).await;
    let job = world.ended(id(&name)).await;
    assert_eq!(job["state"], "succeeded", "{job}");
    world.delivery(order).await["track_number"].as_str().unwrap().to_owned()
}

/// Orders how a parcel fares at every look.
async fn fares(world: &World, number: &str, course: &str) {
    let order = json!({
        "system": "kazpost.track", "behaviour": course, "request_number": number, "count": 1_000,
    });
    world.stage.order("next", &order).await.unwrap();
}

/// Lives through business time until the order's one tracker has ended; returns it and the statuses
/// that the portal's row went through.
async fn followed(world: &World, order: &str) -> (Value, Vec<String>) {
    let mut seen: Vec<String> = Vec::new();
    let limit = std::time::Duration::from_secs(150);
    let tracker = within(limit, "the parcel was followed to its end", async || {
        let status = world.delivery(order).await["status_code"].clone();
        if let Some(status) = status.as_str().filter(|s| seen.last().is_none_or(|l| l != s)) {
            seen.push(status.to_owned());
        }
        let mut trackers = world.trackers(order).await;
        if let Some(ended) = trackers.pop().filter(|tracker| !tracker["ended_at"].is_null()) {
            return Some(ended);
        }
        workers::demo::time::advance(&world.stage).await.unwrap();
        None
    })
    .await;
    let last = world.delivery(order).await["status_code"].as_str().unwrap().to_owned();
    if seen.last() != Some(&last) {
        seen.push(last);
    }
    (tracker, seen)
}

fn instant(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// When Kazpost was asked, by the hub's clock: after a jump the simulators hear of it a moment later.
async fn looks(world: &World, tracker: &Value) -> Vec<Timestamp> {
    let attempts = world.attempts(tracker["id"].as_str().unwrap().parse().unwrap()).await;
    attempts.iter().map(|attempt| instant(&attempt["started_at"])).collect()
}

/// Status and first bytes of what the link opens.
async fn open(world: &World, link: &str) -> (u16, Vec<u8>) {
    let answer = world.stage.http().get(link).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.bytes().await.unwrap().to_vec())
}

#[test]
fn d15_a_number_stands_although_a_newer_job_of_the_order_ended_without_one() {
    run(async {
        let settings = format!("{QUICK}{QUICK_POST}");
        let environment = vec![("HUB_SYSTEMS__KAZPOST__IN_FLIGHT_MAX", "1")];
        let world = World::build(Scene { settings, environment, ..Scene::default() }).await;
        // It holds the only place until both are admitted, so that the older one answers second to own.
        world.at_the_counter("twice-0", &["slow_before"]).await;
        world.at_the_counter("twice", &["label", "product_refused"]).await;
        world.send(&label("twice-0", "twice holds")).await;
        world.in_state(id("twice holds"), "calling").await;
        world.send(&label("twice", "twice older")).await;
        world.send(&label("twice", "twice newer")).await;
        let older = world.ended(id("twice older")).await;
        let newer = world.ended(id("twice newer")).await;
        assert_eq!((&older["state"], &newer["state"]), (&json!("succeeded"), &json!("refused")));
        let row = world.delivery("twice").await;
        assert_eq!(row["job_id"], json!(id("twice newer")), "{row}");
        assert_eq!(row["status_code"], "track_assigned", "{row}");
        assert!(row["track_number"].is_string(), "assigned, and the portal has no number: {row}");
        world.strike().await;
    });
}

#[test]
fn d13_a_label_for_an_order_that_is_not_reserved_or_not_for_a_courier_is_rejected() {
    run(async {
        let world = common().await;
        for (name, field, value, code) in [
            ("not reserved", "order_status", "awaiting_availability", "order_not_reserved"),
            ("picked up", "delivery_method", "pickup", "not_courier_delivery"),
        ] {
            let order = name.replace(' ', "-");
            let mut job = label(&order, name);
            job["input"][field] = value.into();
            world.send(&job).await;
            let job = world.ended(id(name)).await;
            assert_eq!(job["state"], "rejected", "{job}");
            assert_eq!(job["errors"][0]["path"], format!("/input/{field}"));
            assert_eq!(job["errors"][0]["code"], code);
            assert!(!world.executed("kazpost").await.contains_key(&number_of(&order)));
            let row =
                format!("SELECT 1 FROM portal.delivery WHERE subject = '{}'", subject(&order));
            assert!(world.rows(&row).await.is_empty(), "no row of the portal is touched");
        }
    });
}

#[test]
fn d14_a_number_brings_its_status_its_links_and_one_job_that_follows_it() {
    run(async {
        let world = common().await;
        let number = labelled(world, "brings").await;
        let row = world.delivery("brings").await;
        assert_eq!(row["status_code"], "track_assigned");
        assert_eq!(row["status_ru"], "Трек-номер присвоен, идет передача курьеру на доставку");
        assert!(row["tracking_link"].as_str().unwrap().ends_with(&number), "{row}");
        let (status, bytes) = open(world, row["label_link"].as_str().unwrap()).await;
        assert_eq!((status, &bytes[..4]), (200, &b"%PDF"[..]));
        world.at_the_counter("brings", &["label"]).await;
        world.send(&label("brings", "brings again")).await;
        assert_eq!(world.ended(id("brings again")).await["state"], "succeeded");
        let trackers = world.trackers("brings").await;
        assert_eq!(trackers.len(), 1, "{trackers:?}");
        assert_eq!(trackers[0]["input"]["track_number"], number);
        // Whoever knows a number can look up a person: it is in no event.
        for heard in world.events.all() {
            assert!(!heard.text.contains(&number), "{}", heard.text);
        }
    });
}

#[test]
fn d14_a_courier_who_was_called_moves_the_order_once() {
    run(async {
        let world = post().await;
        labelled(&world, "fetched").await;
        let now = world.stage.store.business_now().await.unwrap();
        let today: Date = tz::offset(5).to_datetime(now).date();
        let day = today.checked_add(1.day()).unwrap();
        let lost = json!({
            "system": "kazpost.courier", "behaviour": "lost_after_call",
            "request_number": number_of("fetched"),
        });
        world.stage.order("next", &lost).await.unwrap();
        world.send(&call_courier("fetched", "fetched courier", day)).await;
        world.live_until_ended(&["fetched courier".to_owned()]).await;
        let job = world.ended(id("fetched courier")).await;
        assert_eq!(job["state"], "succeeded", "{job}");
        let row = world.delivery("fetched").await;
        assert_eq!(row["status_code"], "accepted_by_courier");
        assert_eq!(row["courier_on"], day.to_string());
        assert_eq!(world.executed("kazpost.courier").await[&number_of("fetched")], 1);
        world.strike().await;
    });
}

#[test]
fn d16_a_label_opens_in_three_statuses_and_is_gone_after_delivery() {
    run(async {
        let world = post().await;
        labelled(&world, "opens").await;
        let link = world.delivery("opens").await["label_link"].as_str().unwrap().to_owned();
        for (status, answer) in [
            ("track_assigned", 200),
            ("accepted_by_courier", 200),
            ("handed_to_kazpost", 200),
            ("delivered_by_courier", 410),
            ("returned", 410),
        ] {
            world
                .execute(&format!(
                    "UPDATE portal.delivery SET status_code = '{status}' WHERE subject = '{}'",
                    subject("opens")
                ))
                .await;
            let (code, bytes) = open(&world, &link).await;
            assert_eq!(code, answer, "{status}");
            assert_eq!(bytes.starts_with(b"%PDF"), answer == 200, "{status}");
        }
        let unknown = format!("{}{}", &link[..link.len() - 4], "0000");
        assert_eq!(open(&world, &unknown).await.0, 404);
        assert_eq!(open(&world, &link[..link.len() - 1]).await.0, 404);
        let expires = instant(&world.delivery("opens").await["label_link_expires_at"]);
        world.stage.store.jump_to(expires).await.unwrap();
        assert_eq!(open(&world, &link).await.0, 404, "an expired link looks unknown");
        world.strike().await;
    });
}

#[test]
fn d17_a_parcel_is_followed_forwards_hourly_and_72_hours_past_its_delivery() {
    run(async {
        let world = post().await;
        let number = labelled(&world, "followed").await;
        fares(&world, &number, "delivered").await;
        let (tracker, statuses) = followed(&world, "followed").await;
        assert_eq!(tracker["state"], "succeeded", "{tracker}");
        assert_eq!(statuses, ["track_assigned", "handed_to_kazpost", "delivered_by_courier"]);
        let row = world.delivery("followed").await;
        assert_eq!(row["status_ru"], "Успешно доставлен курьером");
        let events = "SELECT * FROM portal.delivery_event ORDER BY happened_at";
        let events = world.rows(events).await;
        let delivered = instant(&events.last().unwrap()["happened_at"]);
        let stood = instant(&tracker["ended_at"]).duration_since(delivered);
        assert!(stood >= SignedDuration::from_hours(72), "{stood:?}");
        assert!(stood <= SignedDuration::from_hours(79), "{stood:?}");
        let looks = looks(&world, &tracker).await;
        assert!(looks.len() > 72, "{}", looks.len());
        for pair in looks.windows(2) {
            let pause = pair[1].duration_since(pair[0]);
            assert!(pause >= SignedDuration::from_mins(59), "asked again after {pause:?}");
        }
        let gone = world.delivery("followed").await["label_link"].as_str().unwrap().to_owned();
        let gone = open(&world, &gone).await.0;
        assert!([404, 410].contains(&gone), "{gone}");
        world.strike().await;
    });
}

#[test]
fn d17_a_returned_parcel_and_an_undone_delivery_are_told_as_they_stand() {
    run(async {
        let world = post().await;
        let back = labelled(&world, "sent-back").await;
        fares(&world, &back, "given_back").await;
        let (tracker, statuses) = followed(&world, "sent-back").await;
        assert_eq!(tracker["state"], "succeeded");
        assert_eq!(statuses, ["track_assigned", "handed_to_kazpost", "returned"]);
        world.strike().await;
        let world = post().await;
        let undone = labelled(&world, "undone").await;
        fares(&world, &undone, "undone").await;
        let (tracker, statuses) = followed(&world, "undone").await;
        assert_eq!(tracker["state"], "succeeded");
        assert_eq!(statuses, ["track_assigned", "handed_to_kazpost", "delivered_by_courier"]);
        let of_kind =
            |class: &str| format!("SELECT 1 FROM portal.delivery_event WHERE class = '{class}'");
        assert_eq!(world.rows(&of_kind("undo")).await.len(), 1, "kept as history");
        assert_eq!(world.rows(&of_kind("delivered")).await.len(), 2);
        world.strike().await;
    });
}

#[test]
fn d18_the_hub_writes_the_delivery_and_touches_no_order() {
    run(async {
        let world = common().await;
        let number = labelled(world, "given-back").await;
        world.send(&give_back("given-back", "given-back cancel", &number)).await;
        let job = world.ended(id("given-back cancel")).await;
        assert_eq!(job["state"], "succeeded", "{job}");
        let row = world.delivery("given-back").await;
        assert_eq!(row["cancelled_track_number"], number);
        assert!(row["cancelled_at"].is_string());
        // What the order's status is stays the portal's: the delivery's is where it was.
        assert_eq!(row["status_code"], "track_assigned");
        world.send(&give_back("given-back", "given-back twice", &number)).await;
        world.ended(id("given-back twice")).await;
        let key = format!("cancel {}", number_of("given-back"));
        assert_eq!(world.executed("kazpost").await[&key], 1, "given back once");
    });
}

#[test]
fn d23_a_number_with_a_wrong_check_digit_is_never_told_and_is_kept() {
    run(async {
        let world = post().await;
        world.at_the_counter("spoilt", &["wrong_check_digit", "reset_before"]).await;
        world.send(&label("spoilt", "spoilt label")).await;
        world.in_state(id("spoilt label"), "in_doubt").await;
        assert_eq!(world.delivery("spoilt").await["track_number"], Value::Null);
        let kept = "SELECT * FROM hub.exchange";
        let kept = until("the answer is kept", async || world.rows(kept).await.pop()).await;
        let (_, answer) = world.exchange(&kept);
        assert!(!answer.is_empty(), "their bytes as they came");
        // The right number comes by the question that settles the doubt.
        world.live_until_ended(&["spoilt label".to_owned()]).await;
        assert_eq!(world.ended(id("spoilt label")).await["state"], "succeeded");
        let number = world.delivery("spoilt").await["track_number"].as_str().unwrap().to_owned();
        assert!(number.parse::<contracts::s10::TrackNumber>().is_ok(), "{number}");
        world.strike().await;
    });
}

/// Kazpost says that a parcel has news; what the hub answered.
async fn tell_of_news(world: &World, number: &str) -> u16 {
    let url = format!("http://{}/kazpost/callback", world.stage.addresses(0).inbound);
    let news = json!({"secret": "hush", "trackid": number}).to_string();
    let request = world.stage.http().post(url).header("content-type", "application/json");
    request.body(news).send().await.unwrap().status().as_u16()
}

#[test]
fn news_of_a_parcel_that_is_being_looked_at_brings_another_look_without_the_hour() {
    run(async {
        let world = World::build(Scene {
            // Long enough to say something while a look is under way.
            latency: std::time::Duration::from_secs(2),
            environment: vec![
                ("HUB_SYSTEMS__KAZPOST__CALLBACK_ENABLED", "true"),
                ("HUB_SYSTEMS__KAZPOST__CALLBACK_SECRET", "hush"),
            ],
            ..Scene::default()
        })
        .await;
        let number = labelled(&world, "told").await;
        until("the parcel is being looked at", async || {
            let state = world.trackers("told").await.pop()?["state"].clone();
            if state == "pending" {
                workers::demo::time::advance(&world.stage).await.unwrap();
            }
            (state == "calling").then_some(())
        })
        .await;
        let tracker = world.trackers("told").await.pop().unwrap();
        let before = looks(&world, &tracker).await.len();
        assert_eq!(tell_of_news(&world, &number).await, 204);
        // The look that was under way, and the one that was owed: business time stands.
        until("the look that was owed", async || {
            (looks(&world, &tracker).await.len() >= before + 2).then_some(())
        })
        .await;
        // While it waits, the next look is now; and no look is owed twice.
        world.in_state(tracker["id"].as_str().unwrap().parse().unwrap(), "pending").await;
        assert_eq!(looks(&world, &tracker).await.len(), before + 2);
        assert_eq!(tell_of_news(&world, &number).await, 204);
        until("the look that was told of", async || {
            (looks(&world, &tracker).await.len() == before + 3).then_some(())
        })
        .await;
        let counted = async |result| {
            let labels = [("system", "kazpost"), ("result", result)];
            world.metric(0, "hub_inbound_messages_total", &labels).await
        };
        assert!(counted("unmatched").await < 0.5, "somebody follows it");
        assert!((counted("applied").await - 2.0).abs() < 0.5);
        assert_eq!(tell_of_news(&world, "QS000000014KZ").await, 204);
        assert!((counted("unmatched").await - 1.0).abs() < 0.5, "nobody follows that one");
        world.strike().await;
    });
}
