//! Recorded cases as answers.

use adapters::simulation::xml::{self, Node};
use serde_json::json;

use crate::world::{Hub, World};

const OTHER: &str = "920300400029";
const ID: &str = "7d0c2a52-6f0e-4d0e-9a7b-00000000abcd";

/// The request of a case, about another person and with another number.
fn request(case: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/systems/");
    let text = std::fs::read_to_string(format!("{root}{case}/request.xml")).unwrap();
    text.replace("850100300012", OTHER).replace("3f0c2a52-6f0e-4d0e-9a7b-000000000001", ID)
}

fn data(bytes: &[u8]) -> Node {
    let root = xml::parse(bytes).unwrap();
    let path = ["Body", "SendMessageResponse", "response", "responseData", "data"];
    root.at(&path).unwrap().clone()
}

async fn order(world: &World, case: &str) {
    let system = case.split_once('/').unwrap().0;
    let order = json!({ "system": system, "case": case });
    let (status, answer) = world.post("/control/next", order).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn a_recorded_answer_fits_the_request_that_came() {
    let world = World::start(vec![]).await;
    order(&world, "gbdfl/deceased").await;
    let (status, bytes) = world.send("/gbdfl/", request("gbdfl/cases/found")).await;
    assert_eq!(status, 200);
    let data = data(&bytes);
    assert_eq!(data.text_at(&["requestId"]), ID);
    assert_eq!(data.text_at(&["persons", "person", "iin"]), OTHER);
    assert_eq!(data.text_at(&["persons", "person", "lifeStatus", "code"]), "3");
    let journal = world.journal("gbdfl").await;
    assert_eq!(journal[0]["outcome"], "recorded_case");
    assert_eq!(journal[0]["request_number"], ID);
    // It is used up: the next answer is the simulator's own.
    let (_, bytes) = world.send("/gbdfl/", request("gbdfl/cases/found")).await;
    assert!(!String::from_utf8(bytes).unwrap().contains("deathDate"));
}

#[tokio::test]
async fn an_answer_about_somebody_else_goes_on_being_about_somebody_else() {
    let world = World::start(vec![]).await;
    order(&world, "gbdfl/wrong_person").await;
    let (_, bytes) = world.send("/gbdfl/", request("gbdfl/cases/found")).await;
    assert_ne!(data(&bytes).text_at(&["persons", "person", "iin"]), OTHER);
}

#[tokio::test]
async fn a_case_waits_for_a_request_of_its_operation() {
    let world = World::start(vec![]).await;
    order(&world, "mgov/wrong_code").await;
    let (_, bytes) = world.send("/mgov/", request("mgov/cases/registered")).await;
    assert!(!String::from_utf8(bytes).unwrap().contains("SIM-WRONG-CODE"));
    let (_, bytes) = world.send("/mgov/", request("mgov/cases/wrong_code")).await;
    assert!(String::from_utf8(bytes).unwrap().contains("SIM-WRONG-CODE"));
}

#[tokio::test]
async fn the_message_of_an_asynchronous_case_follows_its_acknowledgement() {
    let hub = Hub::start().await;
    let world = World::start(vec![]).await;
    let order = json!({ "system": "kpsisu", "case": "kpsisu/convicted",
        "push_url": hub.url, "push_after_s": 0 });
    assert_eq!(world.post("/control/next", order).await.0, 200);
    let (status, bytes) = world.send("/kpsisu/", request("kpsisu/cases/clear")).await;
    assert_eq!(status, 200);
    let answer = xml::parse(&bytes).unwrap();
    let chain = answer.text_at(&["Body", "sendMessageResponse", "response", "correlationId"]);
    let push = hub.pushes(1).await.remove(0);
    assert_eq!(push.info("correlationId"), chain);
    assert_ne!(push.info("messageId"), "1772427600003");
    assert_eq!(push.code(), "1");
    assert_eq!(push.data("IIN"), OTHER);
    let number = push.payload.as_ref().unwrap().text_at(&["SystemInfo", "RequestNumber"]);
    assert_eq!(number, ID);
}

#[tokio::test]
async fn a_case_of_many_requests_answers_them_in_turn() {
    let world = World::start(vec![]).await;
    order(&world, "kazpost/label_lost_and_found").await;
    let body = request("kazpost/cases/label_lost_and_found");
    let cut = world.client.post(world.url("/kazpost/")).body(body).send().await;
    assert!(match cut {
        Ok(response) => response.bytes().await.is_err(),
        Err(_) => true,
    });
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/systems/kazpost/cases/");
    let question =
        std::fs::read_to_string(format!("{root}label_lost_and_found/question.xml")).unwrap();
    let found = std::fs::read_to_string(format!("{root}label_lost_and_found/found.xml")).unwrap();
    let (status, bytes) = world.send("/kazpost/", question).await;
    assert_eq!(status, 200);
    assert_eq!(String::from_utf8(bytes).unwrap().len(), found.len());
}

#[tokio::test]
async fn a_folder_is_read_at_every_order_and_wrong_orders_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::with_cases(folder.path()).await;
    let wrong = |case: &str| json!({ "system": "gbdfl", "case": case });
    for (case, error) in [
        ("gbdfl/mine", "no case"),
        ("gbdfl/../found", "no case"),
        ("mgov/registered", "another system"),
    ] {
        let (status, answer) = world.post("/control/next", wrong(case)).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(error), "{answer}");
    }
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/systems/gbdfl/cases/found/");
    let mine = folder.path().join("gbdfl/cases/mine");
    std::fs::create_dir_all(&mine).unwrap();
    for file in ["case.toml", "request.xml", "response.xml"] {
        let text = std::fs::read_to_string(format!("{source}{file}")).unwrap();
        std::fs::write(mine.join(file), text.replace("TESTOV", "MINE")).unwrap();
    }
    order(&world, "gbdfl/mine").await;
    let (_, bytes) = world.send("/gbdfl/", request("gbdfl/cases/found")).await;
    assert!(String::from_utf8(bytes).unwrap().contains("MINE"));
    let cases = world.get("/control/cases").await;
    let names: Vec<&str> =
        cases.as_array().unwrap().iter().map(|one| one["case"].as_str().unwrap()).collect();
    assert!(names.contains(&"gbdfl/mine") && names.contains(&"gbdfl/found"));
    assert!(names.len() > 250, "{}", names.len());
}
