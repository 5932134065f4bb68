//! Collects the facts of one look: what weir tells, and real sessions with a sample of its cameras.

use std::rc::Rc;

use hyper::StatusCode;
use serde_json::Value;
use tokio::task::JoinSet;

use super::facts::{AskerFacts, CameraFacts, CameraList, Certificate, Facts, StatusFacts};
use super::http::{Asked, HttpAnswer, HttpClient, HttpFailure, SiteTrust};
use super::options::VerifyOptions;
use super::printable;
use super::session::{self, SessionFacts};
use super::together::SessionPlan;
use crate::clock;
use crate::limits::VERIFY_SESSIONS_AT_ONCE_MAX;
use crate::webrtc::provider::generate_certificate;

const IDENTITY: &str = "/api/identity";
const CAMERAS: &str = "/api/cameras";
const STATUS: &str = "/api/status";

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
    if let Err(why) = tell(client, &role, options, &mut facts).await {
        facts.server = Some(Err(why));
    }
    Ok(facts)
}

/// What weir tells, before and after the sessions.
///
/// # Errors
/// It does not answer any more, or this machine has no random bytes.
async fn tell(
    client: HttpClient,
    role: &str,
    options: &VerifyOptions,
    facts: &mut Facts,
) -> Result<(), String> {
    let (configuration, cameras) = listed_cameras(&client).await?;
    facts.configuration = configuration;
    let before = if role == "operator" { Some(get(&client, STATUS).await?) } else { None };
    let begun_us = clock::now_us();
    let client = Rc::new(client);
    facts.sessions = look_at(&client, sample(&cameras, options.sample), options.seconds).await?;
    facts.apart_ms = clock::now_us().saturating_sub(begun_us) / 1_000;
    if let Some(before) = before {
        let after = get(&client, STATUS).await?;
        facts.status = Some([before, after].map(|status| StatusFacts::read(&status)));
    }
    let (_, after) = listed_cameras(&client).await?;
    facts.cameras = Some([cameras, after]);
    Ok(())
}

/// State and message of the configuration, and the cameras.
async fn listed_cameras(
    client: &HttpClient,
) -> Result<(Option<(String, String)>, Vec<CameraFacts>), String> {
    let answer = got(client, CAMERAS).await?;
    let list = CameraList::read(&answer.body);
    let list = list.ok_or_else(|| format!("{CAMERAS} has no list of cameras"))?;
    Ok((list.configuration(), list.cameras()))
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
        let asked = match client.ask(without(IDENTITY)).await {
            Ok(asked) => asked,
            Err(error) => {
                facts.server = Some(Err(format!("{IDENTITY}: {error}")));
                return None;
            }
        };
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

/// The JSON at a path of the API.
async fn get(client: &HttpClient, path: &str) -> Result<Value, String> {
    Ok(got(client, path).await?.json())
}

async fn got(client: &HttpClient, path: &str) -> Result<HttpAnswer, String> {
    match client.ask(Asked::get(path)).await {
        Ok(answer) if answer.status == StatusCode::OK => Ok(answer),
        Ok(answer) => Err(format!("{path}: {}", answer.reason())),
        Err(error) => Err(format!("{path}: {error}")),
    }
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
            let plan = SessionPlan::of_seconds(seconds);
            running.spawn_local(async move {
                (at, session::look(&client, &name, &plan, &certificate).await)
            });
        }
        let Some(looked) = running.join_next().await else { return Ok(found) };
        let (at, facts) = looked.map_err(|error| error.to_string())?;
        found[at] = facts;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::super::site::SiteUrl;
    use super::*;

    /// What the rules say of a server that gives these answers, by path, and 503 to all else.
    fn missed_of(answers: &'static [(&'static str, &'static str)]) -> Vec<&'static str> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; 1024];
                let bytes = stream.read(&mut request).unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..bytes]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default();
                let known = answers.iter().find(|(of, _)| *of == path);
                let (status, body) =
                    known.map_or(("503 Full", "{}"), |(_, body)| ("200 OK", *body));
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        });
        let site = SiteUrl::parse(&format!("http://{address}")).expect("a URL");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let options = VerifyOptions::of(site);
        let look = crate::verify::verify(&options);
        let report = runtime.expect("a runtime").block_on(look).expect("it can look");
        report.missed().map(|finding| finding.rule).collect()
    }

    #[test]
    fn an_api_that_does_not_answer_is_a_miss_wherever_it_ends() {
        const HEALTH: (&str, &str) = ("/healthz", "{}");
        const OPERATOR: (&str, &str) = (IDENTITY, "{\"name\":\"a\",\"role\":\"operator\"}");
        const LIST: (&str, &str) =
            (CAMERAS, "{\"configuration\":{\"state\":\"good\"},\"cameras\":[]}");
        assert_eq!(missed_of(&[]), ["server"]);
        assert_eq!(missed_of(&[HEALTH]), ["access"]);
        assert_eq!(missed_of(&[HEALTH, OPERATOR]), ["server"], "no list");
        assert_eq!(missed_of(&[HEALTH, OPERATOR, (CAMERAS, "no JSON")]), ["server"]);
        assert_eq!(missed_of(&[HEALTH, OPERATOR, LIST]), ["server"], "no status");
        const TOLD: (&str, &str) = (STATUS, "{\"uptime_s\":1}");
        assert_eq!(missed_of(&[HEALTH, OPERATOR, LIST, TOLD]), ["cameras"], "there is none");
    }

    #[test]
    fn a_sample_is_spread_over_the_cameras_that_play() {
        let camera = |number: usize| CameraFacts {
            name: format!("cam{number}"),
            state: if number == 5 { "waiting" } else { "playing" }.to_owned(),
            reason: String::new(),
            frames_per_s: None,
            findings: Vec::new(),
        };
        let cameras: Vec<CameraFacts> = (0..11).map(camera).collect();
        assert_eq!(sample(&cameras, Some(3)), ["cam0", "cam3", "cam7"]);
        assert_eq!(sample(&cameras, None).len(), 10);
        assert_eq!(sample(&cameras[..2], Some(8)), ["cam0", "cam1"]);
        assert!(sample(&[], Some(8)).is_empty() && sample(&cameras, Some(0)).is_empty());
    }
}
