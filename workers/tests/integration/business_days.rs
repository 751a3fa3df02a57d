//! Promises in business days: the database computes them, from the same days as the program.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use workers::{
    policy::calendar::Calendar,
    store::{
        Outside,
        calendar::{Conflict, Loaded},
    },
};

use crate::{
    servers::run,
    world::{QUICK, SEED, Scene, World, check, common, id, person, properties, until},
};

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn instants(job: &Value) -> [Timestamp; 4] {
    ["requested_at", "at_risk_at", "deadline_at", "give_up_at"]
        .map(|column| instant(job[column].as_str().unwrap()))
}

/// A folder with these files, and its calendar.
fn folder(files: &[(&str, &str)]) -> (TempDir, Calendar) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let calendar = Calendar::load(Some(folder.path())).unwrap();
    (folder, calendar)
}

/// The program's own file of a year, with one thing changed.
fn changed(year: i16, from: &str, to: &str) -> String {
    let text = Calendar::built_in().year(year).unwrap().text.clone();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn d7_the_worked_examples_come_out_of_the_database_too() {
    run(async {
        let store = &common().await.stage.store;
        for (request, deadline) in [
            ("2026-11-16T09:00:00+05:00", "2026-11-24T00:00:00+05:00"),
            ("2026-11-20T18:30:00+05:00", "2026-11-28T00:00:00+05:00"),
            ("2026-11-21T12:00:00+05:00", "2026-11-28T00:00:00+05:00"),
            ("2026-12-10T10:00:00+05:00", "2026-12-19T00:00:00+05:00"),
            ("2024-04-30T10:00:00+05:00", "2024-05-11T00:00:00+05:00"),
        ] {
            let found = store.business_deadline(instant(request), 5).await.unwrap();
            assert_eq!(found, instant(deadline), "{request}");
        }
    });
}

#[test]
fn program_and_database_agree_about_any_instant() {
    run(async {
        let store = &common().await.stage.store;
        let calendar = Calendar::built_in();
        let (first, last) = (instant("2018-12-20T00:00:00Z"), instant("2029-01-10T00:00:00Z"));
        let span = u128::try_from(last.as_second() - first.as_second()).unwrap();
        let mut asked: Vec<(Timestamp, u16)> = (0..400)
            .map(|number| {
                let drawn = id(&format!("instant {number}")).as_u128();
                let after = i64::try_from((drawn >> 32) % span).unwrap();
                let at = first.checked_add(SignedDuration::from_secs(after)).unwrap();
                (at, u16::try_from(drawn % 60 + 1).unwrap())
            })
            .collect();
        // Both times of the hour that came twice, and the microseconds around midnights.
        for text in [
            "2024-02-29T17:30:00Z",
            "2024-02-29T18:30:00Z",
            "2024-02-29T18:59:59.999999Z",
            "2024-02-29T19:00:00Z",
            "2026-11-20T18:59:59.999999Z",
            "2018-12-31T17:59:59.999999Z",
            "2018-12-31T18:00:00Z",
            "2028-12-28T18:59:59.999999Z",
            "2028-12-31T19:00:00Z",
        ] {
            asked.push((instant(text), 1));
        }
        let mut outside = 0;
        for (at, days) in asked {
            let there = store.business_deadline(at, days).await;
            let what = format!("{at} and {days} business days (seed {})", *SEED);
            match (calendar.deadline(at, days), there) {
                (Ok(here), Ok(there)) => assert_eq!(here, there, "{what}"),
                (Err(missing), Err(there)) => {
                    let side = if missing.year < 2019 { Outside::Before } else { Outside::Behind };
                    assert_eq!(there.outside_calendar(), Some(side), "{what}");
                    outside += 1;
                }
                (here, there) => panic!("{what}: {here:?}, {there:?}"),
            }
        }
        assert!(outside >= 3, "{outside} were outside of the calendar");
    });
}

#[test]
fn d7_a_check_is_promised_by_the_business_days_after_its_request() {
    run(async {
        let world = common().await;
        let mut job = check("over the holidays of May 2024");
        job["requested_at"] = "2024-04-30T10:00:00+05:00".into();
        world.play(&job, &["never"]).await;
        let id = id("over the holidays of May 2024");
        let breached = async || world.job(id).await.filter(|job| job["sla"] == "breached");
        let row = until("its deadline has passed long ago", breached).await;
        let [requested, at_risk, deadline, give_up] = instants(&row);
        assert_eq!(requested, instant("2024-04-30T10:00:00+05:00"));
        assert_eq!(at_risk, instant("2024-05-07T00:00:00+05:00"));
        assert_eq!(deadline, instant("2024-05-11T00:00:00+05:00"));
        assert_eq!(give_up, instant("2024-06-01T00:00:00+05:00"));
        let portal = world.portal("specialist_check", &job).await;
        assert_eq!(instant(portal["deadline_at"].as_str().unwrap()), deadline);
        assert_eq!(portal["sla"], "breached");
    });
}

#[test]
fn a_breach_is_counted_once_whoever_sees_it_first() {
    run(async {
        let world = World::build(Scene::default()).await;
        let mut check = check("breached before it began");
        check["requested_at"] = "2024-04-30T10:00:00+05:00".into();
        world.play(&check, &["never"]).await;
        let mut person = person("breached before it began, too");
        person["requested_at"] = "2024-04-30T10:00:00+05:00".into();
        world.play(&person, &["found"]).await;
        assert_eq!(world.ended(id("breached before it began, too")).await["sla"], "breached");
        assert_eq!(world.ended(id("breached before it began")).await["state"], "expired");
        for operation in ["kpsisu.check", "gbdfl.person"] {
            let of = [("operation", operation)];
            let counted = async || world.metric(0, "hub_sla_breaches_total", &of).await;
            until("the breach is counted", async || (counted().await > 0.0).then_some(())).await;
            assert!((counted().await - 1.0).abs() < 0.5, "{operation}");
        }
        world.strike().await;
    });
}

#[test]
fn invariant_9_a_promise_counts_from_the_request_moved_by_the_shift_of_business_time() {
    run(async {
        let world = World::build(Scene::default()).await;
        let real = workers::clock::real_now();
        let shift = SignedDuration::from_hours(9 * 24);
        world.stage.store.jump_to(real.checked_add(shift).unwrap()).await.unwrap();
        // The portal's clock knows nothing of the jump.
        let mut job = check("after a jump");
        job["requested_at"] = real.to_string().into();
        world.play(&job, &["never"]).await;
        let row = world.in_state(id("after a jump"), "pending").await;
        let [requested, _, deadline, _] = instants(&row);
        let off = requested.duration_since(real).checked_sub(shift).unwrap().abs();
        assert!(off < SignedDuration::from_mins(1), "{requested}");
        assert_eq!(Calendar::built_in().deadline(requested, 5), Ok(deadline));
        world.strike().await;
    });
}

#[test]
fn where_units_are_mixed_each_job_has_its_instants_in_order() {
    run(async {
        // Five days of time are less than four business days with a weekend, and more without one.
        let settings = QUICK.replace(
            "[operations.kpsisu.check]",
            "[operations.kpsisu.check]\ndeadline_s = 432000\ngive_up_s = 432000",
        );
        let world = World::build(Scene { settings, ..Scene::default() }).await;
        for (request, at_risk) in [
            ("2025-09-10T10:00:00+05:00", "2025-09-15T10:00:00+05:00"),
            ("2025-09-14T10:00:00+05:00", "2025-09-19T00:00:00+05:00"),
        ] {
            let mut job = check(request);
            job["requested_at"] = request.into();
            world.play(&job, &["never"]).await;
            let row = until("the job is there", async || world.job(id(request)).await).await;
            let found = instants(&row);
            assert!(found.is_sorted(), "{found:?}");
            assert_eq!(found[1], instant(at_risk), "{request}");
        }
        world.strike().await;
    });
}

#[test]
fn a_request_from_before_the_calendar_is_rejected_and_its_neighbours_are_not() {
    run(async {
        let world = common().await;
        let mut old = check("asked in another century");
        old["requested_at"] = "1999-12-31T10:00:00+06:00".into();
        let neighbours = ["beside it 1", "beside it 2"].map(check);
        for job in [&neighbours[0], &old, &neighbours[1]] {
            world.send(job).await;
        }
        let row = world.ended(id("asked in another century")).await;
        assert_eq!((&row["state"], &row["code"]), (&json!("rejected"), &json!("invalid_fields")));
        let error = &row["errors"][0];
        assert_eq!(
            (&error["path"], &error["code"]),
            (&json!("/requested_at"), &json!("outside_calendar"))
        );
        for name in ["beside it 1", "beside it 2"] {
            world.in_state(id(name), "pending").await;
        }
        // A promise in plain time needs no calendar.
        let mut plain = person("asked in another century, plainly");
        plain["requested_at"] = "1999-12-31T10:00:00+06:00".into();
        world.play(&plain, &["found"]).await;
        assert_eq!(world.ended(id("asked in another century, plainly")).await["sla"], "breached");
    });
}

#[test]
fn a_job_whose_deadline_the_calendar_does_not_reach_is_set_apart_and_the_others_go_on() {
    run(async {
        let world = World::build(Scene::default()).await;
        world.stage.store.jump_to(instant("2028-12-28T10:00:00+05:00")).await.unwrap();
        let body = check("beyond the last year").to_string();
        assert!(world.publish("kpsisu.check", body.as_bytes(), properties()).await);
        world.play(&person("beyond the last year, plainly"), &["found"]).await;
        world.ended(id("beyond the last year, plainly")).await;
        let sql = "SELECT * FROM hub.quarantine WHERE code = 'calendar_year_missing'";
        let kept = until("it is set apart", async || world.rows(sql).await.pop()).await;
        assert_eq!(world.unseal("quarantine", &kept), body.as_bytes());
        let told = world.events.wait_for(id("beyond the last year"), "rejected").await;
        assert_eq!(told["data"]["errors"][0]["code"], "calendar_year_missing");
        let left = world.metric(0, "hub_calendar_remaining_seconds", &[]).await;
        assert!(left > 0.0 && left < 4.0 * 86_400.0, "{left}");
        world.strike().await;
    });
}

#[test]
fn the_newest_revision_of_a_year_wins_and_two_contents_of_one_are_refused() {
    run(async {
        let world = World::build(Scene { hubs: 0, listens: false, ..Scene::default() }).await;
        let store = &world.stage.store;
        let request = instant("2027-05-13T10:00:00+05:00");
        let deadline = async || store.business_deadline(request, 2).await.unwrap();
        assert_eq!(deadline().await, instant("2027-05-18T00:00:00+05:00"));
        let own = Calendar::built_in();
        assert_eq!(store.load_calendar(&own).await.unwrap(), Ok(Loaded::default()));

        // Kurban Ait turns out to be on Monday.
        let moved = changed(2027, "2027-05-16", "2027-05-17");
        let (_folder, contrary) = folder(&[("2027.toml", &moved)]);
        let day = "2027-05-17".parse().unwrap();
        let differs = Conflict::Differs { year: 2027, revision: 1, day };
        assert_eq!(store.load_calendar(&contrary).await.unwrap(), Err(differs));
        assert_eq!(deadline().await, instant("2027-05-18T00:00:00+05:00"));

        let newer = moved.replacen("revision = 1", "revision = 2", 1);
        let (_folder, newer) = folder(&[("2027.toml", &newer)]);
        let written = Loaded { written: vec![2027], newer: vec![] };
        assert_eq!(store.load_calendar(&newer).await.unwrap(), Ok(written));
        assert_eq!(deadline().await, instant("2027-05-19T00:00:00+05:00"));
        // The days of the year after are numbered anew.
        let late = store.business_deadline(instant("2027-12-30T10:00:00+05:00"), 3).await.unwrap();
        assert_eq!(Ok(late), own.deadline(instant("2027-12-30T10:00:00+05:00"), 3));

        let stays = Loaded { written: vec![], newer: vec![(2027, 2, 1)] };
        assert_eq!(store.load_calendar(&own).await.unwrap(), Ok(stays));
        assert_eq!(deadline().await, instant("2027-05-19T00:00:00+05:00"));

        let text = changed(2028, "year = 2028", "year = 2031");
        let text = text.lines().filter(|line| !line.contains("2028-")).collect::<Vec<_>>();
        let (_folder, gap) = folder(&[("2031.toml", &text.join("\n"))]);
        assert_eq!(store.load_calendar(&gap).await.unwrap(), Err(Conflict::Gap));
        world.strike().await;
    });
}

#[test]
fn a_hub_whose_calendar_lacks_a_year_does_not_start_and_names_it() {
    run(async {
        let world = World::build(Scene { hubs: 1, ..Scene::default() }).await;
        let year = workers::policy::calendar::day_of(workers::clock::real_now()).year();
        let own = Calendar::built_in();
        let files = [year - 1, year]
            .map(|year| (format!("{year}.toml"), own.year(year).unwrap().text.clone()));
        let files = files.each_ref().map(|(name, text)| (name.as_str(), text.as_str()));
        let (folder, _) = folder(&files);
        for (arguments, code) in [("run", 1), ("check-config", 2)] {
            let hub = Command::new(env!("CARGO_BIN_EXE_hub"))
                .args([arguments, "--config"])
                .arg(world.stage.settings_file(0))
                .env("HUB_CALENDAR__FOLDER", folder.path())
                .envs([
                    ("HUB_ADMIN__LISTEN", "127.0.0.1:0"),
                    ("HUB_INBOUND__LISTEN", "127.0.0.1:0"),
                ])
                .kill_on_drop(true)
                .output();
            let output = tokio::time::timeout(crate::world::WAIT_MAX, hub).await.unwrap().unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{arguments}: {text}");
            let wanted = format!("the calendar has no year {}: it has", year + 1);
            assert!(text.contains(&wanted), "{arguments}: {text}");
        }
        world.strike().await;
    });
}

/// What `hub calendar …` says: exit code, standard output, standard error.
async fn asked(arguments: &[&str]) -> (Option<i32>, String, String) {
    let hub = Command::new(env!("CARGO_BIN_EXE_hub")).arg("calendar").args(arguments).output();
    let output = hub.await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_command_line_answers_people_and_programs() {
    run(async {
        let from = "2026-12-10T10:00:00+05:00";
        let (code, out, _) = asked(&["deadline", "--from", from, "--business-days", "5"]).await;
        assert_eq!((code, out.trim()), (Some(0), "2026-12-19T00:00:00+05:00"));
        let (_, out, _) =
            asked(&["deadline", "--from", "2024-02-26T04:00:00Z", "--business-days=1", "--json"])
                .await;
        let out: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(out, json!({"deadline": "2024-02-28T00:00:00+06:00"}));
        let days = ["check", "--from", "2024-05-03", "--to", "2024-05-05", "--json"];
        let (code, out, _) = asked(&days).await;
        let out: Value = serde_json::from_str(&out).unwrap();
        let works = "worked instead of 2024-05-08 (order No. 109 of the acting Minister of Labour, \
                     17 April 2024)";
        let wanted = json!([
            {"date": "2024-05-03", "working": true, "reason": "working day"},
            {"date": "2024-05-04", "working": true, "reason": works},
            {"date": "2024-05-05", "working": false, "reason": "weekend"},
        ]);
        assert_eq!((code, out), (Some(0), wanted));
        let (code, out, _) = asked(&["show", "2024"]).await;
        assert_eq!(code, Some(0));
        for part in ["249 working days of 366", "February (21)", "  12   13 ", "[23]", "Sources"] {
            assert!(out.contains(part), "{part}: {out}");
        }
        let (_, out, _) = asked(&["show", "2024", "--json"]).await;
        let out: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (&out["working_days"], &out["days"][7]["date"]),
            (&json!(249), &json!("2024-01-08"))
        );
        let (_, out, _) = asked(&["show", "2024", "--file"]).await;
        assert_eq!(out, Calendar::built_in().year(2024).unwrap().text);
    });
}

#[test]
fn the_command_line_says_what_was_wrong() {
    run(async {
        let from = "2026-12-10T10:00:00+05:00";
        for (arguments, code, wanted) in [
            (
                vec!["deadline", "--from", "2026-12-10T10:00", "--business-days", "5"],
                2,
                "offset from UTC",
            ),
            (vec!["deadline", "--from", "soon", "--business-days", "5"], 2, "offset from UTC"),
            (vec!["deadline", "--from", from, "--business-days", "0"], 2, "0 is not in 1"),
            (vec!["deadline", "--from", from], 2, "--business-days"),
            (vec!["deadline", "--from", from, "--business-days", "600"], 1, "no year 2029"),
            (
                vec!["deadline", "--from", "2018-06-01T00:00Z", "--business-days", "1"],
                1,
                "no year 2018",
            ),
            (vec!["check", "--from", "2026-02-30", "--to", "2026-03-01"], 2, "a date like"),
            (
                vec!["check", "--from", "2026-03-02", "--to", "2026-03-01"],
                2,
                "lies before --from 2026-03-02",
            ),
            (vec!["check", "--from", "2019-01-01", "--to", "2030-01-01"], 2, "at most 4000 days"),
            (vec!["check", "--from", "2028-12-31", "--to", "2029-01-01"], 1, "no year 2029"),
            (vec!["show", "2040"], 1, "no year 2040"),
            (vec!["show", "this"], 2, "invalid digit"),
        ] {
            let (found, out, error) = asked(&arguments).await;
            assert_eq!((found, out.as_str()), (Some(code), ""), "{arguments:?}: {error}");
            assert!(error.contains(wanted), "{arguments:?}: {error}");
        }
    });
}
