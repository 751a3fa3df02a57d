use std::path::Path;

use serde_json::json;

use super::*;

const PERSON: &str = "gbdfl/cases/found";

fn systems() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/systems")
}

/// A copy of the systems to change rules in: every file, and the one case that lends its texts.
fn copy(to: &Path) {
    let files = |from: PathBuf, to: PathBuf| {
        std::fs::create_dir_all(&to).expect("a folder");
        for file in std::fs::read_dir(&from).expect("a folder") {
            let file = file.expect("a file").path();
            if file.is_file() {
                std::fs::copy(&file, to.join(file.file_name().expect("a name"))).expect("copies");
            }
        }
    };
    for system in std::fs::read_dir(systems()).expect("a folder") {
        let system = system.expect("a system").path();
        files(system.clone(), to.join(system.file_name().expect("a name")));
    }
    files(systems().join(PERSON), to.join(PERSON));
}

fn read(file: &str) -> String {
    std::fs::read_to_string(systems().join(file)).expect("reads")
}

/// The person of a case under names that no checked-in file holds.
fn real() -> Raw {
    let change = |text: String| {
        let text = text.replace("&#x422;&#x415;&#x421;&#x422;&#x41E;&#x412;", "АХМЕТОВ");
        let text = text.replace("TESTOV", "AKHMETOV").replace("850100300012", "860712300456");
        text.replace("<flat>2<", "<flat>217<")
    };
    let number = (0..10)
        .map(|last| format!("86071230045{last}"))
        .find(|text| text.parse::<contracts::number::Iin>().is_ok())
        .expect("one of ten");
    let change = |text: String| change(text).replace("860712300456", &number).into_bytes();
    Raw {
        operation: "gbdfl.person".to_owned(),
        job: Some(RawJob {
            id: "3f0c2a52-6f0e-4d0e-9a7b-000000000001".parse().expect("an id"),
            subject: "person:4711".to_owned(),
            input: json!({ "iin": number }),
            ..RawJob::default()
        }),
        request: change(read(&format!("{PERSON}/request.xml"))),
        response: change(read(&format!("{PERSON}/response.xml"))),
        status: Some(200),
        captured: "2026-03-02T05:00:00Z".parse().expect("an instant"),
    }
}

fn wish(systems: PathBuf, scratch: &Path) -> Wish {
    Wish {
        name: "recorded".to_owned(),
        title: None,
        systems,
        scratch: scratch.to_owned(),
        seed: 7,
        also: Vec::new(),
        replaces: false,
        is_trial: false,
    }
}

struct Folders {
    systems: tempfile::TempDir,
    scratch: tempfile::TempDir,
}

fn folders() -> Folders {
    let systems = tempfile::tempdir().expect("a folder");
    copy(systems.path());
    Folders { systems, scratch: tempfile::tempdir().expect("a folder") }
}

impl Folders {
    async fn record(&self, raw: &Raw, change: impl FnOnce(&mut Wish)) -> Result<Recorded, Refusal> {
        let mut wish = wish(self.systems.path().to_owned(), self.scratch.path());
        change(&mut wish);
        let engine = Engine::open(&wish.systems).expect("opens");
        record(&engine, raw, &wish).await
    }

    fn add_rule(&self, rule: &str) {
        let file = self.systems.path().join("gbdfl/record.toml");
        let text = std::fs::read_to_string(&file).expect("reads");
        std::fs::write(&file, text.replace("keep = [", &format!("keep = [\n  {rule}")))
            .expect("writes");
    }
}

#[tokio::test]
async fn a_person_becomes_another_and_nothing_of_the_first_is_left() {
    let folders = folders();
    let recorded = folders.record(&real(), |_| ()).await.expect("recorded");
    let all: String = recorded
        .files
        .iter()
        .map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned())
        .collect();
    for value in
        ["АХМЕТОВ", "AKHMETOV", "8607123", "1985-01-15", "000000012", "217", "4711", "КАЗАХ<"]
    {
        assert!(!all.to_uppercase().contains(value), "{value} is left");
    }
    assert!(recorded.folder.join("response.xml").is_file());
    assert!(all.contains("Зарегистрирован") && all.contains("SCSS001"), "the contract is left out");
}

#[tokio::test]
async fn a_rule_that_leaks_makes_the_guard_refuse_with_file_and_place() {
    let folders = folders();
    folders.add_rule("\"regAddress/arCode\", \"engFirstName\", \"documentNumber\", \"flat\",");
    let mut raw = real();
    // The flat is named where no rule keeps it, too.
    let text = String::from_utf8(raw.response).expect("UTF-8");
    raw.response = text
        .replace("<city>-<", "<city>QW-77 B217<")
        .replace("<flat>217<", "<flat>B217<")
        .into_bytes();
    let refusal = folders.record(&raw, |_| ()).await.expect_err("it leaks").to_string();
    assert!(refusal.contains("response.xml: Envelope/Body/"), "{refusal}");
    assert!(refusal.contains("flat"), "{refusal}");
    assert!(!refusal.contains("B217"), "{refusal}");
    assert!(!folders.systems.path().join("gbdfl/cases/recorded").exists());
}

#[tokio::test]
async fn a_value_of_the_users_list_is_refused_although_every_rule_keeps_it() {
    let folders = folders();
    let refusal = folders.record(&real(), |wish| wish.also.push("TESTSYS".to_owned())).await;
    let refusal = refusal.expect_err("it is kept").to_string();
    assert!(refusal.contains("a value of your list survived"), "{refusal}");
}

#[tokio::test]
async fn a_name_is_taken_once_and_a_trial_writes_nothing() {
    let folders = folders();
    folders.record(&real(), |wish| wish.is_trial = true).await.expect("recorded");
    assert!(!folders.systems.path().join("gbdfl/cases/recorded").exists());
    folders.record(&real(), |_| ()).await.expect("recorded");
    let again = folders.record(&real(), |_| ()).await.expect_err("there is one");
    assert!(matches!(&again, Refusal::Use(text) if text.contains("--force")), "{again}");
    folders.record(&real(), |wish| wish.replaces = true).await.expect("replaced");
    for name in ["", "../up", "ИВАНОВ", "With Blanks"] {
        let refusal = folders.record(&real(), |wish| wish.name = name.to_owned()).await;
        assert!(matches!(refusal, Err(Refusal::Use(_))), "{name}");
    }
}

#[tokio::test]
async fn a_request_that_the_hub_does_not_send_is_told() {
    let folders = folders();
    let mut raw = real();
    let text = String::from_utf8(raw.request).expect("UTF-8");
    raw.request = text.replace("<senderCode>hub</senderCode>", "").into_bytes();
    let refusal = folders.record(&raw, |_| ()).await.expect_err("another request").to_string();
    assert!(refusal.contains("does not hold") && refusal.contains("request.xml"), "{refusal}");
    let nothing = Raw { response: Vec::new(), status: None, ..real() };
    let refusal = folders.record(&nothing, |_| ()).await.expect_err("nothing came").to_string();
    assert!(refusal.contains("no answer was kept"), "{refusal}");
}

#[tokio::test]
async fn words_that_the_form_of_a_message_holds_itself_are_no_survivors_and_names_always_are() {
    let folders = folders();
    let mut raw = real();
    let text = String::from_utf8(raw.response).expect("UTF-8");
    let text = text.replace(
        "<message>Message has been processed successfully<",
        "<message>A response of another status: the envelope and its schemas were refused<",
    );
    raw.response = text.into_bytes();
    folders.record(&raw, |_| ()).await.expect("recorded");
    let text = String::from_utf8(raw.response.clone()).expect("UTF-8");
    raw.response = text.replace("AKHMETOV", "Schemas").into_bytes();
    let refusal = folders.record(&raw, |wish| wish.replaces = true).await;
    let refusal = refusal.expect_err("a surname is no word of the form").to_string();
    assert!(refusal.contains("engSurname survived"), "{refusal}");
}
