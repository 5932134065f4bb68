//! Clients of HTTPS that share no code with weir: Debian's openssl and curl; and rustls, which
//! weir is made with, where a test wants many connections and judges none.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use super::whep;

/// The longest that a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a program said, whether it succeeded or not.
#[derive(Debug)]
pub struct Said {
    /// Whether its exit code was 0.
    pub good: bool,
    /// Standard output, then standard error.
    pub text: String,
}

/// Runs a program to its end.
pub fn run(program: &str, arguments: &[&str]) -> Said {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = [output.stdout, output.stderr].concat();
    Said { good: output.status.success(), text: String::from_utf8_lossy(&text).into_owned() }
}

/// `openssl s_client`: one handshake, and good bye.
pub fn handshake(server: SocketAddr, arguments: &[&str]) -> Said {
    let server = server.to_string();
    run("openssl", &[&["s_client", "-connect", &server], arguments].concat())
}

/// The fingerprint of the certificate that a server shows now, by openssl's reckoning.
pub fn fingerprint(server: SocketAddr) -> String {
    let shown = handshake(server, &[]).text;
    let begin = shown.find("-----BEGIN").unwrap_or_else(|| panic!("no certificate in {shown}"));
    let end = shown.find("-----END").expect("a whole certificate");
    let folder = std::env::temp_dir();
    let path = folder.join(format!("weir-shown-{}-{}.pem", std::process::id(), server.port()));
    let pem = format!("{}-----END CERTIFICATE-----\n", &shown[begin..end]);
    std::fs::write(&path, pem).expect("a writable temporary directory");
    let fingerprint = fingerprint_of(&path);
    let _ = std::fs::remove_file(path);
    fingerprint
}

/// The fingerprint of a certificate in a file, by openssl's reckoning.
pub fn fingerprint_of(path: &Path) -> String {
    let path = path.to_str().expect("UTF-8");
    let said = run("openssl", &["x509", "-in", path, "-noout", "-fingerprint", "-sha256"]);
    let (_, digits) = said.text.split_once("ingerprint=").unwrap_or_else(|| panic!("{said:?}"));
    digits.trim().to_owned()
}

/// Has openssl make a key of this kind (`ec`, `rsa`) and a certificate in files.
pub fn make_certificate(kind: &str, certificate: &Path, key: &Path) {
    let parameter = match kind {
        "rsa" => "rsa_keygen_bits:2048",
        _ => "ec_paramgen_curve:prime256v1",
    };
    let [certificate, key] = [certificate, key].map(|path| path.to_str().expect("UTF-8"));
    let said = run(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            kind,
            "-pkeyopt",
            parameter,
            "-nodes",
            "-subj",
            "/CN=gate.example/O=Test",
            "-addext",
            "subjectAltName=DNS:gate.example,IP:192.0.2.7",
            "-days",
            "3",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
    );
    assert!(said.good, "{}", said.text);
}

/// `openssl s_client` that stays, as a client with one connection.
pub struct Lasting {
    child: Child,
    input: ChildStdin,
    output: Receiver<Vec<u8>>,
}

impl Lasting {
    /// Connects.
    pub fn connect(server: SocketAddr) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_client", "-quiet", "-connect", &server.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        let input = child.stdin.take().expect("it is piped");
        let mut pipe = child.stdout.take().expect("it is piped");
        let (said, output) = sync_channel(64);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(bytes @ 1..) = pipe.read(&mut chunk) {
                if said.send(chunk[..bytes].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, input, output }
    }

    /// Asks for health on the one connection; whether it was answered.
    pub fn is_healthy(&mut self) -> bool {
        let asked = self.input.write_all(b"GET /healthz HTTP/1.1\r\nHost: weir\r\n\r\n");
        if asked.and_then(|()| self.input.flush()).is_err() {
            return false;
        }
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            match self.output.recv_timeout(PATIENCE) {
                Ok(bytes) => answer.extend(bytes),
                Err(_) => return false,
            }
        }
        answer.starts_with(b"HTTP/1.1 200 ")
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Connections by rustls, which trust anybody.
#[derive(Clone)]
pub struct Crowd(Arc<ClientConfig>);

/// One of them.
pub type Encrypted = StreamOwned<ClientConnection, TcpStream>;

impl Crowd {
    /// Clients without a memory of each other.
    pub fn new() -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trust = Arc::new(Trust(provider.signature_verification_algorithms));
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(trust)
            .with_no_client_auth();
        Self(Arc::new(config))
    }

    /// Connects from `local`; the handshake is made with the first request.
    pub fn connect(&self, local: IpAddr, server: SocketAddr) -> io::Result<Encrypted> {
        let stream = whep::dial(Some(local), server)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::from(server.ip());
        let client = ClientConnection::new(self.0.clone(), name).map_err(io::Error::other)?;
        Ok(StreamOwned::new(client, stream))
    }

    /// Connects from `local` and asks for a page; the connection lives on.
    pub fn get(&self, local: IpAddr, server: SocketAddr, path: &str) -> io::Result<Encrypted> {
        let mut stream = self.connect(local, server)?;
        ask(&mut stream, path)?;
        Ok(stream)
    }
}

/// Asks for a page on a connection that is there.
pub fn ask(stream: &mut Encrypted, path: &str) -> io::Result<()> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: weir\r\n\r\n")?;
    let mut answer = [0; 1024];
    let bytes = stream.read(&mut answer)?;
    let is_good = answer[..bytes].starts_with(b"HTTP/1.1 200 ");
    if is_good { Ok(()) } else { Err(io::Error::other("no 200")) }
}

/// Trusts anybody whose signature is right.
#[derive(Debug)]
struct Trust(rustls::crypto::WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
