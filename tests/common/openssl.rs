//! Debian's `openssl s_client` as a DTLS peer that shares no code with weir: its certificate, the
//! process behind a socket of its own, and what it said.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use ring::digest;

use super::agent::Agent;
use super::rtp::Kind;

const TURN: Duration = Duration::from_millis(20);
const DATAGRAM_BYTES: usize = 2048;

/// A self-signed certificate and its key, in files.
#[derive(Debug)]
pub struct Certificate {
    directory: PathBuf,
    /// SHA-256, as an offer says it.
    pub fingerprint: String,
}

impl Certificate {
    /// Has openssl make one.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("weir-openssl-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).expect("a writable temporary directory");
        let make = [
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            "/CN=peer",
            "-days",
            "2",
            "-keyout",
            "key.pem",
            "-out",
            "certificate.pem",
        ];
        openssl(&directory, &make);
        let der = openssl(&directory, &["x509", "-in", "certificate.pem", "-outform", "DER"]);
        let digest = digest::digest(&digest::SHA256, &der);
        let pairs: Vec<_> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        Self { directory, fingerprint: pairs.join(":") }
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn openssl(directory: &PathBuf, arguments: &[&str]) -> Vec<u8> {
    let made = Command::new("openssl").current_dir(directory).args(arguments).output();
    let made = made.expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
}

/// `s_client` at work, its DTLS piped between a socket of its own and an agent's. What else
/// comes from weir is kept.
pub struct Client {
    child: Child,
    said: Arc<Mutex<String>>,
    media: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Client {
    /// Connects through `agent`, whose pair must be nominated. `profiles` is the argument of
    /// `-use_srtp`, `material_bytes` what is exported for them.
    pub fn connect(
        certificate: &Certificate,
        agent: &Agent,
        profiles: Option<&str>,
        material_bytes: usize,
    ) -> Self {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let mut command = Command::new("openssl");
        command.current_dir(&certificate.directory);
        command.args(["s_client", "-dtls1_2", "-cert", "certificate.pem", "-key", "key.pem"]);
        command.args(["-connect", &front.local_addr().expect("a bound socket").to_string()]);
        command.args(["-keymatexport", "EXTRACTOR-dtls_srtp"]);
        command.args(["-keymatexportlen", &material_bytes.to_string()]);
        if let Some(profiles) = profiles {
            command.args(["-use_srtp", profiles]);
        }
        // An open standard input keeps it connected.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("openssl is installed");
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let mut client = Self {
            child,
            said: Arc::default(),
            media: Arc::default(),
            stop: Arc::default(),
            threads: Vec::new(),
        };
        client.listen(stdout.expect("it is piped"));
        client.listen(stderr.expect("it is piped"));
        client.pipe(front, agent);
        client
    }

    fn listen(&mut self, mut pipe: impl Read + Send + 'static) {
        let said = self.said.clone();
        self.threads.push(std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(bytes @ 1..) = pipe.read(&mut chunk) {
                said.lock()
                    .expect("not poisoned")
                    .push_str(&String::from_utf8_lossy(&chunk[..bytes]));
            }
        }));
    }

    fn pipe(&mut self, front: UdpSocket, agent: &Agent) {
        let back = agent.socket.try_clone().expect("a descriptor");
        front.set_read_timeout(Some(TURN)).expect("a socket");
        back.set_read_timeout(Some(TURN)).expect("a socket");
        let (front, back) = (Arc::new(front), Arc::new(back));
        let client: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        let (to_front, to_back) = ((front.clone(), client.clone()), back.clone());
        let (media, weir) = (self.media.clone(), agent.media);
        self.until_stopped(move |buffer| {
            if let Ok((bytes, from)) = front.recv_from(buffer) {
                *client.lock().expect("not poisoned") = Some(from);
                let _ = to_back.send_to(&buffer[..bytes], weir);
            }
        });
        self.until_stopped(move |buffer| {
            let Ok(bytes) = back.recv(buffer) else { return };
            let (front, client) = &to_front;
            match (Kind::of(&buffer[..bytes]), *client.lock().expect("not poisoned")) {
                (Kind::Dtls, Some(client)) => drop(front.send_to(&buffer[..bytes], client)),
                (Kind::Rtp | Kind::Rtcp, _) => {
                    media.lock().expect("not poisoned").push(buffer[..bytes].to_vec());
                }
                _ => {}
            }
        });
    }

    fn until_stopped(&mut self, mut turn: impl FnMut(&mut [u8]) + Send + 'static) {
        let stop = self.stop.clone();
        self.threads.push(std::thread::spawn(move || {
            let mut buffer = [0; DATAGRAM_BYTES];
            while !stop.load(Relaxed) {
                turn(&mut buffer);
            }
        }));
    }

    /// All it has said so far.
    pub fn said(&self) -> String {
        self.said.lock().expect("not poisoned").clone()
    }

    /// The SRTP profile it agreed on.
    pub fn profile(&self) -> Option<String> {
        self.word_behind("SRTP Extension negotiated, profile=")
    }

    /// The exported keying material.
    pub fn material(&self) -> Option<Vec<u8>> {
        let digits = self.word_behind("Keying material: ")?;
        let pairs = digits.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        pairs.map(byte).collect()
    }

    /// A word that stands alone behind `mark`, once its line is whole.
    fn word_behind(&self, mark: &str) -> Option<String> {
        let said = self.said();
        let (_, behind) = said.split_once(mark)?;
        Some(behind.split_once('\n')?.0.trim().to_owned())
    }

    /// Whether the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_some()
    }

    /// Media and reports that came so far.
    pub fn media(&self) -> Vec<Vec<u8>> {
        self.media.lock().expect("not poisoned").clone()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("a thread of the pipe did not panic");
            }
        }
    }
}
