//! Which ciphers weir speaks, with openssl as the judge: AES-GCM, and nothing else.

use weir::clock;

use crate::common::agent::{Agent, NO_FINGERPRINT};
use crate::common::fixture::{CAMERA, Fixture};
use crate::common::openssl::{Certificate, Client};
use crate::common::reception::{Keep, Reception};
use crate::common::rtcp;
use crate::common::rtp::{Header, Kind};
use crate::common::server::wait_for;
use crate::common::srtp::Keys;

const PATIENCE_US: u64 = 5_000_000;
const AES_128_BYTES: usize = 2 * (16 + 12);
const AES_256_BYTES: usize = 2 * (32 + 12);

/// A fixture, and openssl connecting to it with these SRTP profiles.
fn connect(profiles: Option<&str>, material_bytes: usize) -> (Fixture, Agent, Client) {
    let fixture = Fixture::open();
    let certificate = Certificate::new();
    let agent = Agent::post(fixture.server.http, CAMERA, &certificate.fingerprint);
    let agent = agent.unwrap_or_else(|error| panic!("{error}"));
    agent.nominate();
    let client = Client::connect(&certificate, &agent, profiles, material_bytes);
    // openssl has read its files once it says anything.
    assert!(wait_for(PATIENCE_US, || !client.said().is_empty()));
    (fixture, agent, client)
}

/// The only session ended for `reason`, never had a cipher, and nothing was sent to its peer.
fn assert_never_live(fixture: &Fixture, client: &Client, reason: &str) {
    assert!(fixture.wait_until_empty(PATIENCE_US), "{:?}", fixture.sessions());
    let [session] = &fixture.sessions()[..] else { panic!("one session") };
    assert_eq!(session["reason"], reason);
    assert!(session["cipher"].is_null());
    assert_eq!(session["packets"], 0);
    assert!(client.media().is_empty());
    assert_eq!(client.material(), None, "{}", client.said());
    assert!(!fixture.server.log().contains("watches"), "{}", fixture.server.log());
    assert_eq!(fixture.server.metric("weir_sessions"), Some(0.0));
}

fn refused(profiles: Option<&str>, reason: &str) {
    let (fixture, _agent, mut client) = connect(profiles, AES_256_BYTES);
    assert!(wait_for(PATIENCE_US, || client.has_ended()), "{}", client.said());
    let said = client.said();
    assert!(said.contains("alert handshake failure"), "{said}");
    assert!(said.contains("SSL alert number 40"), "{said}");
    assert_never_live(&fixture, &client, reason);
    assert!(fixture.server.log().contains(reason), "{}", fixture.server.log());
}

#[test]
fn a_peer_with_aes_cm_alone_is_refused() {
    refused(
        Some("SRTP_AES128_CM_SHA1_80"),
        "no AES-GCM: the player offers only other SRTP ciphers",
    );
}

#[test]
fn a_peer_without_srtp_is_refused() {
    refused(None, "no SRTP: the player offers no use_srtp");
}

#[test]
fn a_peer_with_another_certificate_than_it_announced_is_refused() {
    let fixture = Fixture::open();
    let certificate = Certificate::new();
    let agent = Agent::post(fixture.server.http, CAMERA, NO_FINGERPRINT).expect("an answer");
    agent.nominate();
    let profile = Some("SRTP_AEAD_AES_256_GCM");
    let client = Client::connect(&certificate, &agent, profile, AES_256_BYTES);
    let reason = "certificate does not match the offer's fingerprint";
    assert!(wait_for(PATIENCE_US, || fixture.sessions()[0]["reason"] == reason));
    assert_never_live(&fixture, &client, reason);
}

/// openssl agrees on `profile`, and with the keys it exports the media is read and weir is told.
fn served(profiles: &str, profile: &str, material_bytes: usize) {
    let (fixture, agent, mut client) = connect(Some(profiles), material_bytes);
    assert!(wait_for(PATIENCE_US, || client.material().is_some()), "{}", client.said());
    assert_eq!(client.profile().as_deref(), Some(profile));
    let material = client.material().expect("it is there");
    assert_eq!(material.len(), material_bytes);
    let (ours, theirs) = Keys::pair(&material).expect("keys for GCM");

    assert!(wait_for(PATIENCE_US, || client.media().len() > 50));
    let mut reception = Reception::new(Keep::Packets);
    for mut datagram in client.media() {
        match Kind::of(&datagram) {
            Kind::Rtp => reception.rtp(&mut datagram, &theirs, clock::now_us()),
            _ => reception.rtcp(&datagram, &theirs, clock::now_us()),
        }
    }
    assert_eq!((reception.counts.forged, reception.counts.lost()), (0, 0));
    assert!(reception.counts.packets > 0 && reception.counts.frames > 0);
    assert!(!reception.sender_reports.is_empty());

    let media = client.media();
    let header = media.iter().find(|datagram| Kind::of(datagram) == Kind::Rtp);
    let ssrc = header.and_then(|packet| Header::parse(packet)).expect("media").ssrc;
    let picture_loss = ours.seal_rtcp(&rtcp::picture_loss(1, ssrc), 1);
    agent.socket.send_to(&picture_loss, agent.media).expect("loopback takes it");
    let local = agent.socket.local_addr().expect("a bound socket");
    assert!(wait_for(PATIENCE_US, || fixture.session(local)["key_frame_requests"] == 1));
    let name = profile.trim_start_matches("SRTP_");
    assert_eq!(fixture.session(local)["cipher"], name);

    // The goodbye is a close_notify that openssl understands.
    assert_eq!(fixture.delete(&agent.location), 200);
    assert!(wait_for(PATIENCE_US, || client.has_ended()), "{}", client.said());
    assert!(client.said().contains("closed"), "{}", client.said());
}

#[test]
fn aes_128_gcm_alone_is_served() {
    let profile = "SRTP_AEAD_AES_128_GCM";
    served(profile, profile, AES_128_BYTES);
}

#[test]
fn aes_256_gcm_alone_is_served() {
    let profile = "SRTP_AEAD_AES_256_GCM";
    served(profile, profile, AES_256_BYTES);
}

#[test]
fn of_all_profiles_the_strongest_is_chosen() {
    let all = "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM";
    served(all, "SRTP_AEAD_AES_256_GCM", AES_256_BYTES);
}
