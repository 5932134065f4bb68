//! From a request to what it asks of weir.

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode};

use super::body::Bodies;
use super::pages::{self, Page};
use super::problem::{method_not_allowed, problem};
use super::server::Client;
use super::{Reply, empty, whep};
use crate::config::name_problem;
use crate::control::Offer;

/// What a request asks of weir, with everything that could be wrong with the request checked.
#[derive(Debug)]
pub(super) enum Action {
    /// Nothing: the reply is known.
    Done(Reply),
    Cameras,
    Sessions,
    Health,
    Metrics,
    /// The player, if there is such a camera.
    Player {
        camera: String,
        if_none_match: Option<HeaderValue>,
    },
    Offer(Offer),
    /// Whether the session is there.
    Look {
        secret: String,
        is_head: bool,
    },
    Patch {
        secret: String,
        if_match: Option<String>,
    },
    End {
        secret: String,
    },
}

/// An address of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route<'p> {
    Page(&'static Page),
    Player(&'p str),
    /// The player without its last slash.
    PlayerBare(&'p str),
    Cameras,
    Sessions,
    Health,
    Whep(&'p str),
    Session(&'p str),
}

impl<'p> Route<'p> {
    /// What `path` names; camera names and session secrets are well formed, no more.
    fn of(path: &'p str) -> Option<Self> {
        match path {
            "/healthz" => return Some(Self::Health),
            "/api/cameras" => return Some(Self::Cameras),
            "/api/sessions" => return Some(Self::Sessions),
            _ => {}
        }
        if let Some(page) = pages::find(path) {
            return Some(Self::Page(page));
        }
        let mut parts = path.strip_prefix('/')?.split('/');
        let camera = parts.next().filter(|name| name_problem(name).is_none())?;
        match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => Some(Self::PlayerBare(camera)),
            (Some(""), None, _) => Some(Self::Player(camera)),
            (Some("whep"), None, _) => Some(Self::Whep(camera)),
            (Some("whep"), Some(secret), None) if whep::is_secret(secret) => {
                Some(Self::Session(secret))
            }
            _ => None,
        }
    }

    fn methods(self) -> &'static str {
        match self {
            Self::Whep(_) => "GET, HEAD, OPTIONS, POST",
            Self::Session(_) => "DELETE, GET, HEAD, OPTIONS, PATCH",
            _ => "GET, HEAD",
        }
    }

    fn is_whep(self) -> bool {
        matches!(self, Self::Whep(_) | Self::Session(_))
    }
}

/// Gives WHEP answers at `path` what other sites need to read them.
pub(super) fn finish(path: &str, reply: &mut Reply) {
    if let Some(route) = Route::of(path).filter(|route| route.is_whep()) {
        whep::allow_other_origins(reply, route.methods());
    }
}

/// Reads a request of the main site.
///
/// # Errors
/// The reply that says what is wrong with it.
pub(super) async fn read(
    request: Request<Incoming>,
    client: Client,
    bodies: &Bodies,
) -> Result<Action, Reply> {
    let (head, body) = request.into_parts();
    let route = Route::of(head.uri.path()).ok_or_else(not_found)?;
    let methods = route.methods();
    let if_none_match = head.headers.get(header::IF_NONE_MATCH);
    if !methods.split(", ").any(|method| head.method == *method) {
        return Err(method_not_allowed(methods));
    }
    Ok(match (route, &head.method) {
        (Route::Page(page), _) => Action::Done(page.reply(StatusCode::OK, if_none_match)),
        (Route::Player(camera), _) => {
            Action::Player { camera: camera.to_owned(), if_none_match: if_none_match.cloned() }
        }
        (Route::PlayerBare(camera), _) => Action::Done(redirect(&format!("/{camera}/"))),
        (Route::Cameras, _) => Action::Cameras,
        (Route::Sessions, _) => Action::Sessions,
        (Route::Health, _) => Action::Health,
        (Route::Whep(_), &Method::OPTIONS) => Action::Done(whep::options(true)),
        (Route::Whep(camera), &Method::POST) => {
            whep::check_offer_type(&head.headers)?;
            Action::Offer(Offer {
                camera: camera.to_owned(),
                sdp: whep::offer_text(&bodies.read(&head, body).await?)?,
                peer: client.peer,
                asked: client.asked,
            })
        }
        (Route::Whep(_), method) => Action::Done(whep::present(method == Method::HEAD)),
        (Route::Session(_), &Method::OPTIONS) => Action::Done(whep::options(false)),
        (Route::Session(secret), &Method::DELETE) => Action::End { secret: secret.to_owned() },
        (Route::Session(secret), &Method::PATCH) => {
            whep::check_fragment_type(&head.headers)?;
            bodies.read(&head, body).await?;
            let if_match = head.headers.get(header::IF_MATCH);
            Action::Patch {
                secret: secret.to_owned(),
                if_match: if_match.map(|tag| String::from_utf8_lossy(tag.as_bytes()).into_owned()),
            }
        }
        (Route::Session(secret), method) => {
            Action::Look { secret: secret.to_owned(), is_head: method == Method::HEAD }
        }
    })
}

/// Reads a request of the diagnostics port.
///
/// # Errors
/// The reply that says what is wrong with it.
pub(super) fn read_diagnostics(request: &Request<Incoming>) -> Result<Action, Reply> {
    let action = match request.uri().path() {
        "/healthz" => Action::Health,
        "/metrics" => Action::Metrics,
        _ => return Err(not_found()),
    };
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        Ok(action)
    } else {
        Err(method_not_allowed("GET, HEAD"))
    }
}

fn not_found() -> Reply {
    problem(StatusCode::NOT_FOUND, "there is nothing at this address")
}

fn redirect(location: &str) -> Reply {
    let mut reply = empty(StatusCode::TEMPORARY_REDIRECT);
    let location = HeaderValue::try_from(location).expect("a camera's name is visible ASCII");
    reply.headers_mut().insert(header::LOCATION, location);
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_they_should() {
        let secret = "0123456789abcdef0123456789abcdef";
        let session = format!("/gate/whep/{secret}");
        for (path, expected) in [
            ("/gate/", Some(Route::Player("gate"))),
            ("/gate", Some(Route::PlayerBare("gate"))),
            ("/gate/whep", Some(Route::Whep("gate"))),
            ("/whep/whep", Some(Route::Whep("whep"))),
            (&session, Some(Route::Session(secret))),
            ("/api/cameras", Some(Route::Cameras)),
            ("/healthz", Some(Route::Health)),
            ("/gate/whep/", None),
            ("/gate/whep/0123", None),
            (&format!("{session}/x"), None),
            ("/api/", None),
            ("/api", None),
            ("/metrics", None),
            ("/-/../etc/passwd", None),
            ("/a%20b/", None),
            ("/../", None),
            ("//", None),
            ("", None),
        ] {
            assert_eq!(Route::of(path), expected, "{path}");
        }
        assert!(matches!(Route::of("/"), Some(Route::Page(_))));
        assert!(matches!(Route::of("/-/style.css"), Some(Route::Page(_))));
    }
}
