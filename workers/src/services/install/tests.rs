use super::*;

use std::os::unix::fs::PermissionsExt as _;

const BOTH: fn() -> Missing =
    || Missing { names: vec!["PostgreSQL", "RabbitMQ"], postgres: true, rabbitmq: true };

fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("usr/sbin")).unwrap();
    fs::create_dir_all(root.path().join("etc")).unwrap();
    root
}

#[test]
fn a_policy_forbids_servers_while_it_is_held_and_goes_afterwards() {
    let root = root();
    let path = policy_path(root.path());
    let policy = Temporary::policy(root.path()).unwrap();
    assert!(policy.is_some());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o111, 0o111);
    let status = std::process::Command::new("sh").arg(&path).status().unwrap();
    assert_eq!(status.code(), Some(101));
    drop(policy);
    assert!(!path.exists());
}

#[test]
fn a_policy_of_the_machine_stays() {
    let root = root();
    let path = policy_path(root.path());
    fs::write(&path, "#!/bin/sh\nexit 0\n").unwrap();
    drop(Temporary::policy(root.path()).unwrap());
    remove_left_overs(root.path());
    assert_eq!(fs::read_to_string(&path).unwrap(), "#!/bin/sh\nexit 0\n");
}

#[test]
fn the_cluster_setting_goes_with_the_folder_made_for_it() {
    let root = root();
    let cluster = Temporary::cluster(root.path()).unwrap();
    let text = fs::read_to_string(cluster_path(root.path())).unwrap();
    assert!(text.contains("\ncreate_main_cluster = false\n"));
    drop(cluster);
    assert!(!cluster_path(root.path()).parent().unwrap().exists());
}

#[test]
fn settings_of_others_beside_ours_stay() {
    let root = root();
    let cluster = Temporary::cluster(root.path()).unwrap();
    let other = cluster_path(root.path()).with_file_name("other.conf");
    fs::write(&other, "ssl = off\n").unwrap();
    drop(cluster);
    assert!(other.exists() && !cluster_path(root.path()).exists());
}

#[test]
fn what_a_dead_owner_left_is_removed() {
    let root = root();
    std::mem::forget(Temporary::policy(root.path()).unwrap());
    std::mem::forget(Temporary::cluster(root.path()).unwrap());
    remove_left_overs(root.path());
    assert!(!policy_path(root.path()).exists() && !cluster_path(root.path()).exists());
}

#[test]
fn families_are_known_by_id_or_likeness() {
    assert_eq!(family_of("NAME=x\nID=debian\n"), Family::Debian);
    assert_eq!(family_of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"), Family::Debian);
    assert_eq!(family_of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"), Family::RedHat);
    assert_eq!(family_of("ID=alpine\n"), Family::Alpine);
    assert_eq!(family_of("ID=arch\n"), Family::Other);
    assert_eq!(family_of(""), Family::Other);
}

#[test]
fn the_command_names_only_what_is_missing() {
    let command = Family::Debian.command(&BOTH());
    assert!(command.ends_with("install --no-install-recommends postgresql rabbitmq-server"));
    let broker = Missing { names: vec!["RabbitMQ"], postgres: false, rabbitmq: true };
    assert!(Family::RedHat.command(&broker).ends_with("dnf install rabbitmq-server"));
}

#[tokio::test]
async fn a_tool_that_may_not_be_installed_is_named_with_its_command() {
    let opts = Options { install: false, ..Options::default() };
    let error = program(&opts, "no-such-tool", "its-package").await.unwrap_err().to_string();
    assert!(error.contains("no-such-tool") && error.contains("its-package"), "{error}");
}
