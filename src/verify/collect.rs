//! Collects the facts of one look: what weir tells, and real sessions with a sample of its cameras.

use std::rc::Rc;

use hyper::StatusCode;
use serde_json::Value;
use tokio::task::JoinSet;

use super::facts::{AskerFacts, CameraFacts, Certificate, Facts, StatusFacts, configuration};
use super::http::{Asked, HttpAnswer, HttpClient, HttpFailure, SiteTrust};
use super::options::VerifyOptions;
use super::printable;
use super::session::{self, SessionFacts};
use crate::clock;
use crate::limits::VERIFY_SESSIONS_AT_ONCE_MAX;
use crate::webrtc::provider::generate_certificate;

const IDENTITY: &str = "/api/identity";

/// Looks once. Needs a `LocalSet` around it.
///
/// # Errors
/// The token cannot be sent.
pub(super) async fn collect(options: &VerifyOptions) -> Result<Facts, String> {
    let VerifyOptions { site, trust, token, .. } = options;
    let client = HttpClient::new(site.clone(), trust.clone(), token.as_deref())?;
    let mut facts = Facts::default();
    let Some(client) = reach(client, trust, &mut facts).await else { return Ok(facts) };
    let identity = identify(&client).await;
    let role = identity.as_ref().ok().map(|identity| identity.role.clone());
    facts.identity = Some(identity);
    let Some(role) = role else { return Ok(facts) };
    let begin = client.ask(Asked::get("/api/cameras")).await;
    let Some(listed) = good(begin) else { return Ok(facts) };
    facts.configuration = configuration(&listed);
    let Some(cameras) = CameraFacts::list(&listed) else { return Ok(facts) };
    let status = if role == "operator" { status(&client).await } else { None };
    let begun_us = clock::now_us();
    let client = Rc::new(client);
    facts.sessions = look_at(&client, sample(&cameras, options.sample), options.seconds).await?;
    facts.apart_ms = clock::now_us().saturating_sub(begun_us) / 1_000;
    if let Some(status) = status {
        let after = self::status(&client).await;
        facts.status = after.map(|after| [status, after]);
    }
    let end = good(client.ask(Asked::get("/api/cameras")).await);
    let after = end.and_then(|listed| CameraFacts::list(&listed));
    facts.cameras = after.map(|after| [cameras, after]);
    Ok(facts)
}

/// Asks whether it is there, and follows the way to HTTPS. No token is sent before that is clear.
async fn reach(mut client: HttpClient, trust: &SiteTrust, facts: &mut Facts) -> Option<HttpClient> {
    let without = |path| Asked { with_token: false, ..Asked::get(path) };
    let healthy = client.ask(without("/healthz")).await;
    let server = match &healthy {
        Ok(answer) if answer.status == StatusCode::OK => {
            Ok(version(answer, &client.site.to_string()))
        }
        Ok(answer) => Err(answer.reason()),
        Err(error) => Err(error.to_string()),
    };
    let is_up = server.is_ok();
    facts.server = Some(server);
    if let Err(HttpFailure::Untrusted(why)) = healthy {
        facts.certificate = Certificate::Distrusted(why);
        return None;
    }
    if !is_up {
        return None;
    }
    if !client.site.is_https {
        facts.certificate = Certificate::Plain;
        let asked = client.ask(without(IDENTITY)).await.ok()?;
        let leads_on = asked.status == StatusCode::PERMANENT_REDIRECT;
        let path = client.site.path(IDENTITY);
        let location = asked.location.as_deref().filter(|_| leads_on);
        let Some(site) = location.and_then(|at| client.site.redirected(&path, at)) else {
            return Some(client);
        };
        client.site = site;
        match client.ask(without("/healthz")).await {
            Ok(_) => {}
            Err(HttpFailure::Untrusted(why)) => {
                facts.certificate = Certificate::Distrusted(why);
                return None;
            }
            Err(error) => {
                facts.server = Some(Err(format!("{}: {error}", client.site)));
                return None;
            }
        }
    }
    let is_any = *trust == SiteTrust::Any;
    facts.certificate = if is_any { Certificate::Unchecked } else { Certificate::Trusted };
    Some(client)
}

fn version(answer: &HttpAnswer, site: &str) -> String {
    let version = answer.json()["version"].as_str().map(printable).unwrap_or_default();
    format!("weir {version} at {site} ({})", answer.peer.ip())
}

async fn identify(client: &HttpClient) -> Result<AskerFacts, String> {
    let answer = client.ask(Asked::get(IDENTITY)).await.map_err(|error| error.to_string())?;
    match answer.status {
        StatusCode::OK => Ok(AskerFacts::read(&answer.json())),
        _ if client.has_token() => Err(format!("with the token: {}", answer.reason())),
        _ => Err(format!("without a token: {}", answer.reason())),
    }
}

async fn status(client: &HttpClient) -> Option<StatusFacts> {
    good(client.ask(Asked::get("/api/status")).await).map(|json| StatusFacts::read(&json))
}

fn good(answer: Result<HttpAnswer, HttpFailure>) -> Option<Value> {
    let answer = answer.ok().filter(|answer| answer.status == StatusCode::OK)?;
    Some(answer.json())
}

/// The names of so many playing cameras, spread over the list.
fn sample(cameras: &[CameraFacts], count: Option<usize>) -> Vec<String> {
    let playing: Vec<&CameraFacts> = cameras.iter().filter(|camera| camera.is_playing()).collect();
    let count = count.unwrap_or(playing.len()).min(playing.len());
    (0..count).map(|at| playing[at * playing.len() / count].name.clone()).collect()
}

/// Sessions with these cameras, some at once, in the order of the names.
async fn look_at(
    client: &Rc<HttpClient>,
    names: Vec<String>,
    seconds: u64,
) -> Result<Vec<SessionFacts>, String> {
    let certificate = Rc::new(generate_certificate().map_err(|error| error.to_string())?);
    let mut found = vec![SessionFacts::default(); names.len()];
    let mut left = names.into_iter().enumerate();
    let mut running = JoinSet::new();
    loop {
        while running.len() < VERIFY_SESSIONS_AT_ONCE_MAX
            && let Some((at, name)) = left.next()
        {
            let (client, certificate) = (Rc::clone(client), Rc::clone(&certificate));
            running.spawn_local(async move {
                (at, session::look(&client, &name, seconds, &certificate).await)
            });
        }
        let Some(looked) = running.join_next().await else { return Ok(found) };
        let (at, facts) = looked.map_err(|error| error.to_string())?;
        found[at] = facts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_the_cameras_that_play() {
        let camera = |number: usize| CameraFacts {
            name: format!("cam{number}"),
            state: if number == 5 { "waiting" } else { "playing" }.to_owned(),
            reason: String::new(),
            frames_per_s: None,
        };
        let cameras: Vec<CameraFacts> = (0..11).map(camera).collect();
        assert_eq!(sample(&cameras, Some(3)), ["cam0", "cam3", "cam7"]);
        assert_eq!(sample(&cameras, None).len(), 10);
        assert_eq!(sample(&cameras[..2], Some(8)), ["cam0", "cam1"]);
        assert!(sample(&[], Some(8)).is_empty() && sample(&cameras, Some(0)).is_empty());
    }
}
