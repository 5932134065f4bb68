//! Debian's openssl in front of a plain camera, by socat, and the certificates for it: TLS that
//! shares no code with weir.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::server::{free_tcp, wait_for};
use super::tls::run;

const PATIENCE_US: u64 = 5_000_000;

/// Debian's openssl takes no keys of 1024 bits and no TLS below 1.2 by itself.
const AS_OLD_CAMERAS: &str = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\n\
    system_default = default\n[default]\nCipherString = ALL:@SECLEVEL=0\n";

/// A folder with certificates; it is removed at the end.
pub struct Certificates(PathBuf);

impl Default for Certificates {
    fn default() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("weir-front-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a writable temporary directory");
        fs::write(folder.join("openssl.cnf"), AS_OLD_CAMERAS).expect("a writable directory");
        Self(folder)
    }
}

impl Certificates {
    /// The path of a file in it.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("UTF-8").to_owned()
    }

    /// Has openssl do something, in words separated by blanks; `@name` is a file in the folder.
    pub fn openssl(&self, words: &str) -> String {
        let word = |word: &str| match word.strip_prefix('@') {
            Some(name) => self.path(name),
            None => word.to_owned(),
        };
        let words: Vec<String> = words.split(' ').map(word).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = run("openssl", &words);
        assert!(said.good, "{words:?}: {}", said.text);
        said.text
    }

    /// A self-signed certificate `name.pem` with a key of this kind (`rsa:2048`, `ec`) and `extra`
    /// words for openssl.
    pub fn self_signed(&self, name: &str, kind: &str, extra: &str) {
        let curve = if kind == "ec" { " -pkeyopt ec_paramgen_curve:prime256v1" } else { "" };
        let extra = if extra.is_empty() { String::new() } else { format!(" {extra}") };
        self.openssl(&format!(
            "req -x509 -newkey {kind}{curve} -nodes -subj /CN=camera -days 3 -keyout @{name}.key \
             -out @{name}.pem{extra}"
        ));
    }

    /// A certificate `name.pem` of the authority `ca.pem`, which must be there, for these names.
    pub fn issued(&self, name: &str, alternative_names: &str, days: &str) {
        let extensions = format!("subjectAltName={alternative_names}\n");
        fs::write(self.path("extensions"), extensions).expect("a writable directory");
        self.openssl(&format!(
            "req -new -newkey rsa:2048 -nodes -subj /CN=camera -keyout @{name}.key -out @{name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in @{name}.csr -CA @ca.pem -CAkey @ca.key -CAcreateserial -days {days} \
             -extfile @extensions -out @{name}.pem"
        ));
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A TLS end at work.
pub struct TlsFront {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl TlsFront {
    /// Listens with the certificate `name.pem`, in front of `camera`. `options` are socat's, each
    /// with a comma before it.
    pub fn start(
        address: SocketAddr,
        camera: SocketAddr,
        certificates: &Certificates,
        name: &str,
        options: &str,
    ) -> Self {
        let [certificate, key] =
            ["pem", "key"].map(|kind| certificates.path(&format!("{name}.{kind}")));
        let listen = format!(
            "openssl-listen:{},bind={},reuseaddr,fork,verify=0,cert={certificate},key={key}{options}",
            address.port(),
            address.ip()
        );
        let child = Command::new("socat")
            .env("OPENSSL_CONF", certificates.path("openssl.cnf"))
            .args([&listen, &format!("tcp:{camera}")])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("socat is installed");
        let listens = || TcpStream::connect(address).is_ok();
        assert!(wait_for(PATIENCE_US, listens), "socat does not listen on {address}");
        Self { child, address }
    }

    /// The same on a free port.
    pub fn open(camera: SocketAddr, certificates: &Certificates, name: &str) -> Self {
        Self::start(free_tcp("127.0.0.1"), camera, certificates, name, "")
    }

    /// Its processes: one listens, and one is for each connection.
    fn pids(&self) -> Vec<String> {
        let own = self.child.id().to_string();
        let children = run("pgrep", &["-P", &own]).text;
        children.split_whitespace().map(str::to_owned).chain([own.clone()]).collect()
    }

    /// Sends all of them a signal.
    pub fn signal(&self, signal: &str) {
        for pid in self.pids() {
            let _ = Command::new("kill").args([signal, &pid]).stderr(Stdio::null()).status();
        }
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.signal("-KILL");
        let _ = self.child.wait();
    }
}
