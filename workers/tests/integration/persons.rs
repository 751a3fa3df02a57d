//! `gbdfl.person`: every way in which the registry answers, or does not.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    servers::run,
    world::{World, common, id, iin, person},
};

async fn told(behaviours: &[&str], name: &str) -> (&'static World, Value, Value) {
    let world = common().await;
    let job = person(name);
    world.play(&job, behaviours).await;
    let row = world.ended(id(name)).await;
    (world, row, world.portal("person", &job).await)
}

/// Class and code of every attempt.
async fn attempts(world: &World, id: Uuid) -> Vec<(String, String)> {
    let text = |row: &Value, column: &str| row[column].as_str().unwrap_or("answered").to_owned();
    let rows = world.attempts(id).await;
    rows.iter().map(|row| (text(row, "class"), text(row, "code"))).collect()
}

fn pairs(classes: &[(&str, &str)]) -> Vec<(String, String)> {
    classes.iter().map(|(class, code)| ((*class).to_owned(), (*code).to_owned())).collect()
}

#[test]
fn a_person_who_is_found_fills_the_row_of_the_portal() {
    run(async {
        let (_, job, row) = told(&["found"], "found").await;
        assert_eq!(job["summary"], json!({"found": true, "life_status": "normal"}));
        let known = json!({
            "status": "succeeded", "found": true, "late": false, "sla": "on_time",
            "job_id": id("found"), "iin": iin("found"), "patronymic": "ТЕСТОВИЧ",
            "citizenship": "398", "nationality": "005", "life_status": "normal",
            "death_date": null, "flags": [],
        });
        for (column, value) in known.as_object().unwrap() {
            assert_eq!(row[column], *value, "{column}");
        }
        for column in ["surname", "name", "birth_date", "gender", "completed_at"] {
            assert!(row[column].is_string(), "{column}: {row}");
        }
        assert_eq!(row["document"]["type"]["code"], "002");
        assert_eq!(row["reg_address"]["district"]["code"], "9901");
    });
}

#[test]
fn not_found_is_an_answer_in_both_its_forms() {
    run(async {
        for (behaviour, name) in [("not_found", "form A"), ("not_found_b", "form B")] {
            let (world, job, row) = told(&[behaviour], name).await;
            assert_eq!(job["state"], "succeeded", "{behaviour}");
            assert_eq!(job["summary"], json!({"found": false}));
            assert_eq!((&row["found"], &row["surname"]), (&json!(false), &Value::Null));
            assert_eq!(world.attempts(id(name)).await.len(), 1);
        }
    });
}

#[test]
fn a_deceased_person_has_a_date_and_a_flag() {
    run(async {
        let (_, job, row) = told(&["deceased"], "deceased").await;
        assert_eq!(job["summary"]["life_status"], "deceased");
        assert_eq!(row["death_date"], "2021-09-13");
        assert_eq!(row["flags"], json!(["deceased"]));
    });
}

#[test]
fn an_excluded_person_has_flags() {
    run(async {
        let (_, _, row) = told(&["excluded"], "excluded").await;
        assert_eq!(row["flags"], json!(["excluded", "removed"]));
    });
}

#[test]
fn a_slow_registry_is_asked_again_until_the_attempts_are_used_up() {
    run(async {
        let (world, job, row) = told(&["slow"; 3], "slow").await;
        assert_eq!((&job["state"], &job["attempts"]), (&json!("failed"), &json!(3)));
        assert_eq!(job["summary"], json!({"code": "timed_out", "class": "unreachable"}));
        let unreachable = ("unreachable", "timed_out");
        assert_eq!(attempts(world, id("slow")).await, pairs(&[unreachable; 3]));
        assert_eq!(world.journal(id("slow")).await.len(), 3);
        assert_eq!((&row["status"], &row["found"]), (&json!("failed"), &Value::Null));
        assert_eq!(world.events.names(id("slow")), ["accepted", "waiting", "waiting", "failed"]);
    });
}

#[test]
fn a_query_that_was_lost_is_asked_again_and_then_answered() {
    run(async {
        // How far a reset connection came depends on the moment at which it is noticed.
        let lost: &[&str] = &["connection_cut", "request_broken"];
        for (behaviour, codes) in [
            ("server_error", &["server_error"][..]),
            ("html_bad_gateway", &["server_error"]),
            ("reset", lost),
            ("cut", lost),
            ("cut_by_reset", lost),
            ("unavailable", &["fault"]),
        ] {
            let (world, job, row) = told(&[behaviour, "found"], behaviour).await;
            assert_eq!((&job["state"], &job["attempts"]), (&json!("succeeded"), &json!(2)));
            let attempts = attempts(world, id(behaviour)).await;
            let (class, code) = &attempts[0];
            assert_eq!(class, "unreachable", "{behaviour}");
            assert!(codes.contains(&code.as_str()), "{behaviour}: {code}");
            assert_eq!(attempts[1], ("answered".to_owned(), "answered".to_owned()));
            assert_eq!(row["status"], "succeeded");
            let names = world.events.names(id(behaviour));
            assert_eq!(names, ["accepted", "waiting", "succeeded"], "{behaviour}");
        }
    });
}

#[test]
fn a_broken_answer_is_asked_for_once_more_and_then_fails_with_the_raw_exchange_kept() {
    run(async {
        for (behaviour, raw) in [
            ("wrong_person", "surname"),
            ("wrong_request_id", "requestId"),
            ("html_ok", "<html"),
            ("unknown_fault", "SIM-9999"),
            ("garbage", ""),
            ("broken_text", "&lt;persons&gt;"),
            ("unknown_result", "SIM-4242"),
            ("doctype", "<!DOCTYPE"),
        ] {
            let (world, job, row) = told(&[behaviour; 2], behaviour).await;
            assert_eq!((&job["state"], &job["attempts"]), (&json!("failed"), &json!(2)));
            assert_eq!(job["summary"]["class"], "contract", "{behaviour}");
            assert_eq!((&row["status"], &row["found"]), (&json!("failed"), &Value::Null));
            let sql = format!("SELECT * FROM hub.exchange WHERE job_seq = {}", job["seq"]);
            let kept = world.rows(&sql).await;
            assert_eq!(kept.len(), 2, "{behaviour}");
            for row in kept {
                let (request, answer) = world.exchange(&row);
                let request = String::from_utf8(request.to_vec()).unwrap();
                assert!(request.contains(&iin(behaviour)) && request.contains("SendMessage"));
                assert!(!answer.is_empty(), "{behaviour}");
                assert!(String::from_utf8_lossy(&answer).contains(raw), "{behaviour}");
            }
        }
    });
}

#[test]
fn an_answer_past_the_limit_is_not_read_to_its_end() {
    run(async {
        for behaviour in ["oversize", "oversize_announced"] {
            let (world, job, _) = told(&[behaviour; 2], behaviour).await;
            assert_eq!(job["state"], "failed", "{behaviour}");
            let sql = format!(
                "SELECT octet_length(sealed) AS bytes FROM hub.exchange WHERE job_seq = {}",
                job["seq"]
            );
            for row in world.rows(&sql).await {
                assert!(row["bytes"].as_i64().unwrap() < 16 << 20, "{behaviour}: {row}");
            }
        }
    });
}
