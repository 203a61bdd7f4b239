//! `push-mux keygen` and `push-mux whoami`, end to end.

use push_mux::secret::{Keypair, PublicKey};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

fn run(home: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_push-mux"));
    command.args(args).env("HOME", home).current_dir(home).output().expect("the binary runs")
}

/// The one line that a success prints.
fn line(home: &Path, args: &[&str]) -> String {
    let output = run(home, args);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), &*err), (Some(0), ""), "{args:?}");
    let line = out.strip_suffix('\n').expect("a line");
    assert!(!line.contains('\n'), "{line}");
    line.to_owned()
}

/// What a failure says; nothing goes to standard output.
fn failure(home: &Path, args: &[&str]) -> String {
    let output = run(home, args);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{args:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_identity_is_made_once_and_told() {
    let home = tempfile::tempdir().expect("there is a place for it");
    let home = home.path();
    let secret = home.join(".ssb/secret");
    assert!(failure(home, &["whoami"]).contains("push-mux keygen"));
    let id = line(home, &["keygen"]);
    assert_eq!(fs::metadata(&secret).expect("it is there").permissions().mode() & 0o777, 0o600);
    let text = fs::read(&secret).expect("it is there");
    let public = Keypair::from_secret_file(&text).expect("an identity").public();
    assert_eq!(id, public.to_string());
    assert_eq!(line(home, &["whoami"]), id);
    let uri = line(home, &["whoami", "--uri"]);
    assert!(uri.starts_with("ssb:feed/classic/"), "{uri}");
    assert_eq!(uri.parse::<PublicKey>(), Ok(public));
    assert!(failure(home, &["keygen"]).contains("not overwritten"));
    assert_eq!(fs::read(&secret).expect("it is there"), text);
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).expect("it is ours");
    assert!(failure(home, &["whoami"]).contains("chmod 600"));
}

#[test]
fn an_identity_is_kept_where_the_caller_wants_it() {
    let home = tempfile::tempdir().expect("there is a place for it");
    let home = home.path();
    let ids = ["mine", "deep/down/secret"].map(|file| {
        let id = line(home, &["keygen", "--secret", file]);
        assert_eq!(line(home, &["whoami", "--secret", file]), id);
        id
    });
    assert_ne!(ids[0], ids[1]);
    assert!(!home.join(".ssb").exists());
}
