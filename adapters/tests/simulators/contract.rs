//! What the simulators send fits the schemas below `contracts/systems/`, and every case names what a
//! reader needs. That the cases themselves fit is the replay's part (`tests/cases.rs`).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{gbdfl, kpsisu, mgov, mzrk, realestate, world::World};

/// Root elements of `data` for each system: `data` itself, or the one element in it.
const PAYLOADS: [(&str, &str); 6] = [
    ("eqyzmet", "//*[local-name()='data']/*"),
    ("gbdfl", "//*[local-name()='data']"),
    ("kpsisu", "//*[local-name()='data']/*"),
    ("mgov", "//*[local-name()='data']"),
    ("mzrk", "//*[local-name()='data']"),
    ("realestate", "//*[local-name()='data']/*"),
];

fn systems() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/systems")
}

fn xmllint_is_missing() -> bool {
    let missing = Command::new("xmllint").arg("--version").output().is_err();
    if missing {
        eprintln!("SKIPPED: xmllint is not installed (Debian: apt install libxml2-utils)");
    }
    missing
}

fn fits(schema: &str, file: &Path) -> Result<(), String> {
    let schema = systems().join(schema);
    let mut command = Command::new("xmllint");
    command.args(["--nonet", "--noout", "--schema"]).arg(schema).arg(file);
    let output = command.output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(words) }
}

/// The whole message fits, and so does its payload where it has one.
fn message_fits(system: &str, file: &Path) -> Result<(), String> {
    fits("shep/soap.xsd", file)?;
    let (_, path) = PAYLOADS.iter().find(|(name, _)| *name == system).unwrap();
    let output = Command::new("xmllint").arg("--xpath").arg(path).arg(file).output().unwrap();
    if !output.status.success() {
        let has_data = fs::read_to_string(file).unwrap().contains("<data");
        return if has_data { Err("data holds no element".to_owned()) } else { Ok(()) };
    }
    let payload = tempfile(file);
    fs::write(&payload, output.stdout).unwrap();
    let result = fits(&format!("{system}/data.xsd"), &payload);
    fs::remove_file(&payload).unwrap();
    result
}

fn tempfile(file: &Path) -> PathBuf {
    let name = file.to_string_lossy().replace(['/', '.'], "_");
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn cases() -> Vec<(&'static str, PathBuf, String)> {
    let mut cases = Vec::new();
    for (system, _) in PAYLOADS {
        for entry in fs::read_dir(systems().join(system).join("cases")).unwrap() {
            let folder = entry.unwrap().path();
            let toml = fs::read_to_string(folder.join("case.toml")).unwrap();
            cases.push((system, folder, toml));
        }
    }
    cases
}

#[test]
fn cases_name_everything_that_a_reader_needs() {
    for (_, folder, toml) in cases() {
        for key in
            ["title", "operation", "provenance", "message", "http_status", "[job]", "outcome"]
        {
            assert!(toml.contains(key), "{}: no {key}", folder.display());
        }
    }
}

#[tokio::test]
async fn answers_of_the_simulators_fit_the_schemas() {
    if xmllint_is_missing() {
        return;
    }
    let world = World::start(vec![]).await;
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("answer.xml");
    for iin in ["850100300012", "480200300055", "690100300144", "700700300061"] {
        for n in 0..4 {
            let body = gbdfl::request(&format!("{iin}-{n}"), iin);
            let (_, bytes) = world.send("/gbdfl/", body).await;
            fs::write(&file, &bytes).unwrap();
            // `data` in a namespace is invalid by the schema, and live (shep §4.1).
            let namespaced = String::from_utf8(bytes).unwrap().contains("<ns4:data");
            assert_eq!(fits("shep/soap.xsd", &file).is_ok(), !namespaced);
        }
        let body = mgov::request(iin, mgov::CHECK);
        let (_, bytes) = world.send("/mgov/", body).await;
        fs::write(&file, &bytes).unwrap();
        let namespaced = String::from_utf8(bytes).unwrap().contains("<data xmlns=");
        assert_eq!(fits("shep/soap.xsd", &file).is_ok(), !namespaced);
        for n in 0..4 {
            let body = mzrk::request(&format!("{iin}-{n}"), iin);
            let (_, bytes) = world.send("/mzrk/", body).await;
            fs::write(&file, &bytes).unwrap();
            let namespaced = String::from_utf8(bytes).unwrap().contains("<ns4:data");
            assert_eq!(fits("shep/soap.xsd", &file).is_ok(), !namespaced);
        }
        let body = kpsisu::request(iin, iin);
        let (_, bytes) = world.send("/kpsisu/", body).await;
        fs::write(&file, &bytes).unwrap();
        fits("shep/soap.xsd", &file).unwrap();
    }
}

#[tokio::test]
async fn answers_of_the_register_fit_its_schema() {
    if xmllint_is_missing() {
        return;
    }
    let world = World::start(vec![]).await;
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("register.xml");
    let mut checked = 0;
    for owner in ["750500300132", "831200400128", "100540000008", "850100300012", "920300400029"] {
        for n in 0..6 {
            let body = realestate::request(&format!("{owner}-{n}"), owner);
            let (_, bytes) = world.send("/realestate/", body).await;
            fs::write(&file, &bytes).unwrap();
            // The other forms hold a document as text, or `data` in a namespace.
            if String::from_utf8(bytes).unwrap().contains("<data><ns3:Response") {
                message_fits("realestate", &file).unwrap();
                checked += 1;
            }
        }
    }
    assert!(checked > 10, "{checked}");
}
