//! A certificate of the operator's: served as it is, exchanged without a restart, and never the
//! reason that a box cannot be reached or is reached in the open.

use std::fs;
use std::path::PathBuf;

use super::common::server::{Server, Setup, wait_for};
use super::common::tls::{Lasting, fingerprint, fingerprint_of, handshake, make_certificate, run};
use super::common::whep;

/// Two looks at the files, five seconds apart, and some.
const TAKEN_UP_US: u64 = 15_000_000;

/// A folder for certificate and key.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weir-files-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).expect("a folder");
        Self(path)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn server(&self) -> Server {
        let [certificate, key] = ["c.pem", "k.pem"].map(|name| self.at(name));
        let https = format!("tls = \"files\"\ncertificate = {certificate:?}\nkey = {key:?}");
        Server::start(&Setup { https, ..Setup::default() })
    }

    /// Writes another pair over the one in use.
    fn exchange(&self) {
        make_certificate("ec", &self.at("c2.pem"), &self.at("k2.pem"));
        for (new, old) in [("c2.pem", "c.pem"), ("k2.pem", "k.pem")] {
            fs::rename(self.at(new), self.at(old)).expect("renamed");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_certificate_changed_on_disk_is_for_new_connections_and_old_ones_live_on() {
    let folder = Folder::new("changed");
    make_certificate("rsa", &folder.at("c.pem"), &folder.at("k.pem"));
    let server = folder.server();
    let first = fingerprint_of(&folder.at("c.pem"));
    assert_eq!(fingerprint(server.https), first);
    let mut old = Lasting::connect(server.https);
    assert!(old.is_healthy());
    folder.exchange();
    let second = fingerprint_of(&folder.at("c.pem"));
    assert_ne!(first, second);
    assert!(wait_for(TAKEN_UP_US, || old.is_healthy() && fingerprint(server.https) == second));
    assert!(old.is_healthy());

    // A bad pair changes nothing but the log and the metric; the next good one is taken up.
    make_certificate("ec", &folder.at("c3.pem"), &folder.at("k.pem"));
    let refused = || server.metric("weir_tls_files_refused");
    assert!(wait_for(TAKEN_UP_US, || refused() == Some(1.0)), "{}", server.log());
    assert!(server.log().contains("does not belong to the first certificate"));
    assert_eq!(fingerprint(server.https), second);
    folder.exchange();
    let third = fingerprint_of(&folder.at("c.pem"));
    assert!(wait_for(TAKEN_UP_US, || fingerprint(server.https) == third));
    assert_eq!(refused(), Some(0.0));
}

#[test]
fn a_bad_pair_at_the_start_leaves_weirs_own_until_it_is_mended() {
    let folder = Folder::new("bad");
    let server = folder.server();
    let own = fingerprint_of(&server.config().with_file_name("weir-tls.pem"));
    assert_eq!(fingerprint(server.https), own);
    assert!(server.log().contains("weir's own certificate is used"), "{}", server.log());
    assert_eq!(whep::get(server.http, "/").expect("an answer").status, 308, "not in the open");
    let config = server.config();
    let check = || {
        let config = config.to_str().expect("UTF-8");
        run(env!("CARGO_BIN_EXE_weir"), &["check", "--config", config])
    };
    let checked = check();
    assert!(!checked.good && checked.text.contains("cannot read"), "{checked:?}");
    make_certificate("rsa", &folder.at("c.pem"), &folder.at("k.pem"));
    let theirs = fingerprint_of(&folder.at("c.pem"));
    assert!(wait_for(TAKEN_UP_US, || fingerprint(server.https) == theirs), "{}", server.log());
    assert!(check().good);
    assert!(handshake(server.https, &["-tls1_2"]).good, "an RSA key does for 1.2 too");
}

#[test]
fn keys_of_every_form_are_read_and_their_facts_told() {
    let folder = Folder::new("forms");
    let [c, k, other] = ["c.pem", "k.pem", "other.pem"].map(|name| folder.at(name));
    let convert = |kind: &str, arguments: &[&str]| {
        let [from, to] = [&other, &k].map(|path| path.to_str().expect("UTF-8"));
        make_certificate(kind, &c, &other);
        let said = run("openssl", &[arguments, &["-in", from, "-out", to]].concat());
        assert!(said.good, "{}", said.text);
    };
    for (kind, arguments, begins) in [
        ("rsa", &["pkcs8", "-topk8", "-nocrypt"][..], "-----BEGIN PRIVATE KEY"),
        ("rsa", &["rsa", "-traditional"], "-----BEGIN RSA PRIVATE KEY"),
        ("ec", &["ec"], "-----BEGIN EC PRIVATE KEY"),
    ] {
        convert(kind, arguments);
        assert!(fs::read_to_string(&k).expect("a key").starts_with(begins), "{begins}");
        let server = folder.server();
        let theirs = fingerprint_of(&c);
        assert_eq!(fingerprint(server.https), theirs, "{begins}\n{}", server.log());
        let config = server.config();
        let config = config.to_str().expect("UTF-8");
        let told = run(env!("CARGO_BIN_EXE_weir"), &["tls", "--config", config]);
        for part in [&theirs[..], "CN=gate.example, O=Test", "names: gate.example, 192.0.2.7"] {
            assert!(told.text.contains(part), "{part}: {told:?}");
        }
    }
}
