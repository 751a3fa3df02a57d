use super::*;

fn sealer(seed: u8) -> Sealer {
    Sealer::new(&[seed; KEY_BYTES], Chance::seeded(1))
}

#[test]
fn what_is_sealed_opens_for_the_same_purpose_only() {
    let sealed = sealer(1).seal("inbound", b"secret");
    assert_eq!(sealer(1).open("inbound", &sealed).expect("opens"), b"secret");
    assert!(sealer(1).open("exchange", &sealed).is_err());
    assert!(sealer(2).open("inbound", &sealed).is_err());
}

#[test]
fn a_changed_or_cut_message_does_not_open() {
    let mut sealed = sealer(1).seal("inbound", b"secret");
    *sealed.bytes.last_mut().expect("bytes") ^= 1;
    assert!(sealer(1).open("inbound", &sealed).is_err());
    sealed.bytes.truncate(10);
    assert!(sealer(1).open("inbound", &sealed).is_err());
}

#[test]
fn keys_have_different_ids() {
    assert_ne!(sealer(1).key_id, sealer(2).key_id);
}

#[test]
fn a_key_file_is_private_and_is_not_overwritten() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("key");
    Sealer::create_file(&path, &Chance::seeded(7)).expect("creates");
    let mode = std::fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o077, 0);
    assert!(Sealer::create_file(&path, &Chance::seeded(7)).is_err());
    assert!(Sealer::from_file(&path, Chance::seeded(7)).is_ok());
    std::fs::write(&path, "short").expect("writes");
    assert!(matches!(Sealer::from_file(&path, Chance::seeded(7)), Err(Error::Form(_))));
}
