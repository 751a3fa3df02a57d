//! `hub contracts record --job`: exchanges of a real hub become cases, and the audit knows who opened
//! them.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    servers::run,
    world::{World, check, common, id, iin, person},
};

struct Said {
    code: i32,
    text: String,
}

async fn hub(world: &World, arguments: &[&str], key: Option<&Path>) -> Said {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_hub"));
    command.args(arguments).arg("--config").arg(world.stage.settings_file(0));
    command.env("USER", "tester").stdin(Stdio::null());
    if let Some(key) = key {
        command.env("HUB_SEAL__KEY_FILE", key);
    }
    let output = command.output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    Said { code: output.status.code().unwrap(), text: String::from_utf8(text).unwrap() }
}

/// The contracts of this project without their cases: a place to record into.
fn systems(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/systems");
    for system in std::fs::read_dir(&from).unwrap() {
        let system = system.unwrap().path();
        let own = to.join(system.file_name().unwrap());
        std::fs::create_dir_all(&own).unwrap();
        for file in std::fs::read_dir(&system).unwrap() {
            let file = file.unwrap().path();
            if file.is_file() {
                std::fs::copy(&file, own.join(file.file_name().unwrap())).unwrap();
            }
        }
    }
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        systems(folder.path());
        Self(folder)
    }

    fn case(&self, system: &str, name: &str) -> PathBuf {
        self.0.path().join(system).join("cases").join(name)
    }

    async fn record(&self, world: &World, job: Uuid, more: &[&str]) -> Said {
        let (job, cases) = (job.to_string(), self.0.path().display().to_string());
        let first = ["contracts", "record", "--job", &job, "--name", "recorded", "--cases", &cases];
        hub(world, &[&first, more].concat(), None).await
    }

    /// Everything that was written.
    fn written(&self, system: &str) -> String {
        let files = std::fs::read_dir(self.case(system, "recorded")).unwrap();
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    }
}

async fn audit(world: &World, job: Uuid) -> Vec<Value> {
    world
        .rows(&format!(
            "SELECT action, actor, reason, result FROM hub.audit WHERE target = '{job}'"
        ))
        .await
}

#[test]
fn a_job_becomes_a_case_without_its_person_and_the_audit_knows_who_opened_it() {
    run(async {
        let (world, place) = (common().await, Place::new());
        let job = world.play(&person("recorded"), &["found"]).await;
        assert_eq!(world.ended(job).await["state"], "succeeded");
        assert_eq!(place.record(world, job, &[]).await.code, 2, "who opens it says why");
        assert!(audit(world, job).await.is_empty());

        let said = place.record(world, job, &["--reason", "a case of the test stand"]).await;
        assert_eq!(said.code, 0, "{}", said.text);
        let written = place.written("gbdfl");
        for value in [iin("recorded"), job.to_string(), "person:recorded".to_owned()] {
            assert!(!written.contains(&value) && !said.text.contains(&iin("recorded")), "{value}");
        }
        assert!(written.contains("outcome = \"answered\""), "{written}");
        let noted = audit(world, job).await;
        let expected = json!({ "action": "contracts.record", "actor": "tester",
                               "reason": "a case of the test stand", "result": "opened" });
        assert_eq!(noted, [expected]);

        let cases = place.0.path().display().to_string();
        let check = ["contracts", "check", "--cases", &cases];
        assert_eq!(hub(world, &check, None).await.code, 0);
        let again = place.record(world, job, &["--reason", "again"]).await;
        assert!(again.code == 2 && again.text.contains("--force"), "{}", again.text);
        let force = ["--reason", "again", "--force", "--attempt", "1"];
        assert_eq!(place.record(world, job, &force).await.code, 0);
    });
}

#[test]
fn an_acknowledgement_is_recorded_while_its_answer_is_awaited() {
    run(async {
        let (world, place) = (common().await, Place::new());
        let job = world.play(&check("answered_by_push"), &["clear"]).await;
        world.in_state(job, "pending").await;
        let said = place.record(world, job, &["--reason", "the acknowledgement"]).await;
        assert_eq!(said.code, 0, "{}", said.text);
        let written = place.written("kpsisu");
        assert!(written.contains("acknowledged") && !written.contains(&iin("answered_by_push")));
    });
}

#[test]
fn what_is_not_there_or_does_not_open_is_told_and_writes_nothing() {
    run(async {
        let (world, place) = (common().await, Place::new());
        let reason = ["--reason", "to look"];
        let unknown = place.record(world, Uuid::nil(), &reason).await;
        assert!(
            unknown.code == 1 && unknown.text.contains("no job has this id"),
            "{}",
            unknown.text
        );

        let job = world.play(&person("recorded too late"), &["found"]).await;
        world.ended(job).await;
        let run = place.record(world, job, &["--reason", "to look", "--attempt", "99"]).await;
        assert!(run.code == 1 && run.text.contains("there is: 1"), "{}", run.text);

        // Another key than the one that sealed it.
        let other = place.0.path().join("other.key");
        std::fs::write(&other, "ab".repeat(32)).unwrap();
        let (text, cases) = (job.to_string(), place.0.path().display().to_string());
        let first =
            ["contracts", "record", "--job", &text, "--name", "recorded", "--cases", &cases];
        let said = hub(world, &[&first[..], &reason].concat(), Some(&other)).await;
        assert!(
            said.code == 1 && said.text.contains("does not open with this key"),
            "{}",
            said.text
        );
        assert!(!said.text.contains(&iin("recorded too late")));

        // What is older than 30 days is dropped.
        world
            .execute(&format!(
                "DELETE FROM hub.exchange WHERE job_seq = (SELECT seq FROM hub.job WHERE id = '{}')",
                id("recorded too late")
            ))
            .await;
        let gone = place.record(world, job, &reason).await;
        assert!(gone.code == 1 && gone.text.contains("older than 30 days"), "{}", gone.text);
        assert!(!place.case("gbdfl", "recorded").exists());
    });
}

#[test]
fn wrong_use_is_told_before_anything_is_opened() {
    run(async {
        let (world, place) = (common().await, Place::new());
        let cases = place.0.path().display().to_string();
        let record = async |more: &[&str]| {
            hub(world, &[&["contracts", "record", "--cases", &cases], more].concat(), None)
                .await
                .code
        };
        assert_eq!(record(&["--name", "a"]).await, 2);
        assert_eq!(
            record(&["--name", "a", "--from", "no/such", "--operation", "gbdfl.person"]).await,
            2
        );
        assert_eq!(record(&["--name", "a", "--from", "no/such"]).await, 2);
        assert_eq!(
            record(&["--name", "А", "--from", &cases, "--operation", "gbdfl.person"]).await,
            2
        );
    });
}
