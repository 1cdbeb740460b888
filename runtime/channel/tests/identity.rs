//! Identities on disk.

use std::fs;
use std::path::Path;

use mpcc_channel::{Fingerprint, Identity, IdentityError};

#[test]
fn an_identity_survives_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("party/identity");
    let made = Identity::generate().unwrap();
    made.save(&path).unwrap();
    let loaded = Identity::load(&path).unwrap();
    assert_eq!(loaded.fingerprint(), made.fingerprint());
    let written = fs::read_to_string(path.join("fingerprint")).unwrap();
    assert_eq!(written.parse(), Ok(made.fingerprint()));
    assert!(written.starts_with("mpcc1-") && written.len() == 6 + 64 + 1);
    assert_eq!(fs::read_dir(&path).unwrap().count(), 3);
}

/// A secret is that of one key and one purpose, and survives the disk as the key does.
#[test]
fn secrets_follow_from_key_and_purpose() {
    let directory = tempfile::tempdir().unwrap();
    let [one, other] = [(); 2].map(|()| Identity::generate().unwrap());
    one.save(directory.path()).unwrap();
    let loaded = Identity::load(directory.path()).unwrap();
    let secret = |identity: &Identity, purpose| *identity.derive_secret(purpose).unwrap();
    assert_eq!(secret(&one, "a test"), secret(&loaded, "a test"));
    assert_ne!(secret(&one, "a test"), secret(&one, "another test"));
    assert_ne!(secret(&one, "a test"), secret(&other, "a test"));
    assert_eq!(format!("{loaded:?}"), format!("Identity({})", one.fingerprint()));
}

#[test]
fn two_identities_differ() {
    assert_ne!(Identity::generate().unwrap().fingerprint(), Identity::generate().unwrap().fingerprint());
}

#[test]
fn an_identity_is_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let first = Identity::generate().unwrap();
    first.save(directory.path()).unwrap();
    let error = Identity::generate().unwrap().save(directory.path()).unwrap_err();
    assert!(matches!(error, IdentityError::Exists(_)), "{error}");
    assert_eq!(Identity::load(directory.path()).unwrap().fingerprint(), first.fingerprint());

    let partial = tempfile::tempdir().unwrap();
    fs::write(partial.path().join("key.pem"), "precious").unwrap();
    assert!(matches!(first.save(partial.path()), Err(IdentityError::Exists(_))));
    assert_eq!(fs::read_dir(partial.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(partial.path().join("key.pem")).unwrap(), "precious");
}

#[cfg(unix)]
#[test]
fn the_key_is_private_and_must_stay_so() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    Identity::generate().unwrap().save(directory.path()).unwrap();
    let key = directory.path().join("key.pem");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&key), 0o600);
    assert_eq!(mode(&directory.path().join("certificate.pem")) & 0o600, 0o600);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let error = Identity::load(directory.path()).unwrap_err();
    assert!(matches!(error, IdentityError::KeyExposed { mode: 0o640, .. }), "{error}");
}

#[test]
fn files_that_do_not_fit_together_are_refused() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Identity::generate().unwrap().save(one.path()).unwrap();
    Identity::generate().unwrap().save(two.path()).unwrap();
    for file in ["certificate.pem", "key.pem", "fingerprint"] {
        let target = one.path().join(file);
        let own = fs::read(&target).unwrap();
        for content in [fs::read(two.path().join(file)).unwrap(), b"garbage".to_vec(), own[..own.len() / 2].to_vec()] {
            fs::write(&target, content).unwrap();
            let error = Identity::load(one.path()).unwrap_err();
            assert!(matches!(error, IdentityError::Malformed { .. }), "{error}");
        }
        fs::write(&target, own).unwrap();
    }
    Identity::load(one.path()).unwrap();
    fs::remove_file(one.path().join("certificate.pem")).unwrap();
    assert!(matches!(Identity::load(one.path()), Err(IdentityError::File { action: "read", .. })));
}

#[test]
fn debug_shows_no_key() {
    let directory = tempfile::tempdir().unwrap();
    let identity = Identity::generate().unwrap();
    identity.save(directory.path()).unwrap();
    let key = fs::read_to_string(directory.path().join("key.pem")).unwrap();
    let secret = key.lines().nth(1).unwrap();
    let shown = format!("{identity:?} {identity:#?}");
    assert!(secret.len() > 40 && !shown.contains(secret) && !shown.contains("PRIVATE"));
    assert_eq!(format!("{identity:?}"), format!("Identity({})", identity.fingerprint()));
}

#[test]
fn fingerprints_are_read_strictly() {
    let fingerprint = Identity::generate().unwrap().fingerprint();
    let text = fingerprint.to_string();
    assert_eq!(format!(" {text}\n").parse(), Ok(fingerprint));
    for bad in ["", "mpcc1-", &text[6..], &text[..69], &format!("{text}0"), &text.replace("mpcc1", "mpcc2")] {
        assert!(matches!(bad.parse::<Fingerprint>(), Err(IdentityError::Fingerprint(_))), "{bad}");
    }
}
