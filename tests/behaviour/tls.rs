//! HTTPS as openssl and curl see it: what is spoken and nothing older or weaker, the redirect, and
//! the fingerprint that a person is told.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::common::server::{Server, Setup};
use super::common::tls::{fingerprint, fingerprint_of, handshake, run};
use super::common::whep;

/// What TLS 1.2 is spoken with, where the certificate is ECDSA.
const TLS12: [&str; 3] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
];
const TLS13: [&str; 3] =
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

fn server() -> Server {
    Server::start(&Setup { https: "tls = \"self-signed\"".to_owned(), ..Setup::default() })
}

/// The alert that answers a ClientHello of this version with nothing but what each version knows.
fn alert_to(server: SocketAddr, version: [u8; 2]) -> Vec<u8> {
    let mut hello = vec![version[0], version[1]];
    hello.extend([7; 32]); // random
    hello.push(0); // no session
    // ECDHE-ECDSA-AES128-GCM-SHA256 and the AES128-SHA that every TLS must know; no compression.
    hello.extend([0, 4, 0xc0, 0x2b, 0, 0x2f, 1, 0]);
    let length = u8::try_from(hello.len()).expect("it is short");
    let record = [&[22, 3, 0, 0, length + 4, 1, 0, 0, length], &hello[..]].concat();
    let mut stream = TcpStream::connect(server).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
    stream.write_all(&record).expect("sent");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn tls_1_2_and_1_3_are_spoken_and_nothing_older() {
    let server = server();
    for (flag, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = handshake(server.https, &["-brief", flag]);
        assert!(said.good && said.text.contains(&format!("version: {version}")), "{}", said.text);
    }
    for flag in ["-tls1", "-tls1_1"] {
        // Level 0 is where openssl would speak it.
        let said = handshake(server.https, &[flag, "-cipher", "ALL:@SECLEVEL=0"]);
        let alert = said.text.contains("alert protocol version")
            || said.text.contains("alert handshake failure");
        assert!(!said.good && alert, "{}", said.text);
    }
    // Debian's openssl has no SSL 3 any more. A fatal alert: protocol_version, handshake_failure.
    for version in [[3, 0], [3, 1], [3, 2]] {
        let answer = alert_to(server.https, version);
        let [21, _, _, 0, 2, 2, why] = answer[..] else { panic!("{version:?}: {answer:?}") };
        assert!([40, 70].contains(&why), "{version:?}: alert {why}");
    }
    assert!(run("curl", &["-ksf", &format!("https://{}/healthz", server.https)]).good);
}

#[test]
fn of_all_that_openssl_has_only_aead_with_forward_secrecy_is_spoken() {
    let server = server();
    let all = run("openssl", &["ciphers", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]);
    let all = all.text.trim().split(':').filter(|suite| !suite.starts_with("TLS_"));
    let all: Vec<&str> = all.collect();
    assert!(all.len() > 100 && TLS12.iter().all(|suite| all.contains(suite)), "{all:?}");
    let mut spoken: Vec<&str> = Vec::new();
    for suite in all {
        let only = format!("{suite}:@SECLEVEL=0");
        if handshake(server.https, &["-tls1_2", "-cipher", &only]).good {
            spoken.push(suite);
        }
    }
    spoken.sort_unstable();
    assert_eq!(spoken, TLS12);
    for suite in TLS13 {
        assert!(handshake(server.https, &["-tls1_3", "-ciphersuites", suite]).good, "{suite}");
    }
    for suite in ["TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"] {
        assert!(!handshake(server.https, &["-tls1_3", "-ciphersuites", suite]).good, "{suite}");
    }
}

#[test]
fn weak_keys_hashes_and_habits_are_refused() {
    let server = server();
    let good = |arguments: &[&str]| handshake(server.https, arguments).good;
    for group in ["X25519", "P-256", "P-384"] {
        assert!(good(&["-groups", group]), "{group}");
    }
    for group in ["P-521", "X448", "brainpoolP256r1", "secp256k1", "ffdhe2048"] {
        assert!(!good(&["-groups", group]), "{group}");
    }
    assert!(good(&["-tls1_2", "-sigalgs", "ECDSA+SHA256"]));
    for hash in ["ECDSA+SHA1", "RSA+MD5"] {
        assert!(!good(&["-tls1_2", "-cipher", "ALL:@SECLEVEL=0", "-sigalgs", hash]), "{hash}");
    }
    assert!(good(&["-alpn", "http/1.1"]));
    let said = handshake(server.https, &["-alpn", "h2"]);
    assert!(said.text.contains("no application protocol"), "{}", said.text);
    for version in ["-tls1_2", "-tls1_3"] {
        let said = handshake(server.https, &[version]).text;
        assert!(said.contains("Compression: NONE"), "{said}");
        assert!(!said.contains("Early data was accepted"), "{said}");
    }
    let said = handshake(server.https, &["-tls1_2"]).text;
    assert!(said.contains("Secure Renegotiation IS supported"), "{said}");
    assert!(said.contains("Extended master secret: yes"), "{said}");
}

#[test]
fn a_client_cannot_renegotiate() {
    let server = server();
    let mut child = Command::new("openssl")
        .args(["s_client", "-tls1_2", "-connect", &server.https.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    child.stdin.as_mut().expect("it is piped").write_all(b"R\n").expect("asked");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("RENEGOTIATING"), "{said}");
    assert!(said.contains("no renegotiation") || said.contains("alert"), "{said}");
}

#[test]
fn a_session_is_resumed_by_ticket_alone() {
    let server = server();
    let folder = server.config().parent().expect("a folder").join("session.pem");
    let file = folder.to_str().expect("UTF-8");
    for (version, without_ticket) in [("-tls1_2", "-no_ticket"), ("-tls1_3", "-no_ticket")] {
        let resumed = |flags: &[&str]| {
            let request = format!(
                "printf 'GET /healthz HTTP/1.1\\r\\nHost: weir\\r\\nConnection: close\\r\\n\\r\\n' | \
                 openssl s_client -ign_eof -connect {} {version} {}",
                server.https,
                flags.join(" ")
            );
            let said = run("sh", &["-c", &request]);
            assert!(said.text.contains("HTTP/1.1 200"), "{}", said.text);
            said.text.contains("Reused, ")
        };
        assert!(!resumed(&["-sess_out", file]));
        assert!(resumed(&["-sess_in", file]), "{version}");
        if version == "-tls1_2" {
            assert!(!resumed(&[without_ticket, "-sess_out", file]));
            assert!(!resumed(&[without_ticket, "-sess_in", file]), "nothing is kept for it");
        }
    }
}

#[test]
fn curl_gets_health_pages_and_no_hsts() {
    let server = server();
    let url = |path: &str| format!("https://{}{path}", server.https);
    let health = run("curl", &["-ksf", &url("/healthz")]);
    assert!(health.good && health.text.contains("\"status\":\"ok\""), "{health:?}");
    let page = run("curl", &["-ksi", &url("/")]).text;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("</html>"), "{page}");
    assert!(!page.to_ascii_lowercase().contains("strict-transport-security"), "{page}");
    for version in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
        assert!(run("curl", &[&["-ksf"], &version[..], &[&url("/healthz")]].concat()).good);
    }
    assert!(!run("curl", &["-sf", &url("/healthz")]).good, "curl does not trust it by itself");
}

#[test]
fn plain_http_answers_health_and_the_way_to_https() {
    let server = server();
    let ask = |method: &str, path: &str, headers: &[(&str, &str)]| {
        whep::request(server.http, method, path, headers, "").expect("an answer")
    };
    assert_eq!(ask("GET", "/healthz", &[]).status, 200);
    for (method, path) in
        [("GET", "/"), ("GET", "/gate/?x=1"), ("POST", "/gate/whep"), ("GET", "/api/cameras")]
    {
        let answer = ask(method, path, &[]);
        assert_eq!(answer.status, 308, "{method} {path}");
        let expected = format!("https://127.0.0.1:{}{path}", server.https.port());
        assert_eq!(answer.header("location"), Some(expected.as_str()));
        assert_eq!(answer.header("strict-transport-security"), None);
        assert_eq!(answer.body, "");
    }
    // A name that somebody else's name server has pointed here.
    let mut stream = TcpStream::connect(server.http).expect("it listens");
    write!(stream, "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("location:"), "{answer}");
    let followed = run("curl", &["-kLsf", &format!("http://{}/", server.http)]);
    assert!(followed.good && followed.text.contains("</html>"), "{followed:?}");
}

#[test]
fn everybody_names_the_same_fingerprint() {
    let server = server();
    let config = server.config();
    let kept = config.with_file_name("weir-tls.pem");
    let by_openssl = fingerprint_of(&kept);
    assert_eq!(fingerprint(server.https), by_openssl);
    assert!(server.log().contains(&format!("fingerprint (SHA-256) {by_openssl}")));
    let told =
        run(env!("CARGO_BIN_EXE_weir"), &["tls", "--config", config.to_str().expect("UTF-8")]);
    assert!(told.good && told.text.contains(&by_openssl), "{told:?}");
    for part in ["subject: ", "O=weir", "localhost", "127.0.0.1", "2019-01-01", "2049-12-31"] {
        assert!(told.text.contains(part), "{part}: {told:?}");
    }
    let openssl =
        run("openssl", &["x509", "-in", kept.to_str().expect("UTF-8"), "-noout", "-text"]);
    for part in ["ecdsa-with-SHA256", "prime256v1", "TLS Web Server Authentication", "CA:FALSE"] {
        assert!(openssl.text.contains(part), "{part}: {}", openssl.text);
    }
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(&kept).expect("it is kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
