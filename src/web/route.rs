//! Reads a request into an [`Action`] or a [`LoginRequest`]: what it asks of weir.

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};

use super::body::Bodies;
use super::caller;
use super::cookie::{self, Cookie};
use super::pages::{self, Page, Terms};
use super::problem::{elsewhere, method_not_allowed, problem};
use super::server::Client;
use super::update::Upload;
use super::{Reply, empty, form, pprof, whep};
use crate::access::{Names, Owner, Role, TokenHash};
use crate::appliance::request::BoxRequest;
use crate::config::name_problem;
use crate::control::{OfferRequest, Patch};

/// Query parameter of the redirect after a login. It leads through the login page, which sees
/// whether the cookie comes back: in a frame of another site, or where cookies are refused, it does
/// not.
pub(super) const ENTERED: &str = "entered";

/// What a request asks of weir. Everything that could be wrong with the request itself has been
/// checked.
#[derive(Debug)]
pub(super) enum Action {
    /// Nothing: the reply is already known.
    Done(Reply),
    Cameras,
    Sessions,
    /// Read the configuration file again.
    Reload,
    Status,
    /// The slots of the box and its state.
    Box,
    Update(Upload),
    Report,
    /// What weir-init is asked for and answers at once.
    AskBox(BoxRequest),
    Health,
    Metrics,
    /// A CPU profile of so many seconds.
    CpuProfile {
        seconds: u64,
    },
    HeapProfile,
    /// Threads, tasks and sessions.
    Tasks {
        is_text: bool,
    },
    /// The player page; 404 if there is no such camera.
    Player {
        camera: String,
        terms: Terms,
    },
    Offer(OfferRequest),
    /// GET or HEAD of a WHEP endpoint: whether there is such a camera.
    LookForCamera {
        camera: String,
        is_head: bool,
    },
    /// OPTIONS of a WHEP endpoint, or of a session.
    Options {
        is_endpoint: bool,
    },
    /// GET or HEAD of a session: whether it is there.
    Look {
        secret: String,
        is_head: bool,
    },
    Patch(Patch),
    End {
        secret: String,
    },
    /// End a session by its public id, as an operator asks.
    EndById {
        id: u64,
    },
}

/// What a request asks of the login.
pub(super) enum LoginRequest {
    /// The login page; `next` is the page to go on to.
    Page { next: Option<String> },
    /// The login form: to be logged in.
    Enter { form: Bytes },
    /// The redirect after a login, with the login's cookie if the browser kept it.
    Onward { next: Option<String>, cookies: Vec<Cookie> },
    /// The logout button: to be logged out.
    Leave { cookies: Vec<Cookie> },
    /// To be told which user or token the client is.
    Identity,
}

/// What a request asks for: an action of weir, or a part of the login.
pub(super) enum Wanted {
    Action(Action),
    Login(LoginRequest),
}

/// A path of the main site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'p> {
    Page(&'static Page),
    Player(&'p str),
    /// The player's path without its last slash, which is redirected.
    PlayerBare(&'p str),
    Cameras,
    Sessions,
    /// `/api/sessions/{id}`: one session, by its public id.
    SessionById(u64),
    Reload,
    Status,
    /// `/api/box`, and what changes it.
    Box,
    Update,
    Rollback,
    Reboot,
    Report,
    Health,
    Whep(&'p str),
    Session(&'p str),
    Login,
    Logout,
    /// `/api/identity`: which user or token the client is.
    Identity,
}

impl<'p> Route<'p> {
    /// Reads `path`; `None` is answered with 404. Camera names and session secrets are checked for
    /// their form only, and may be unknown.
    pub(super) fn of(path: &'p str) -> Option<Self> {
        match path {
            "/healthz" => return Some(Self::Health),
            "/api/cameras" => return Some(Self::Cameras),
            "/api/sessions" => return Some(Self::Sessions),
            "/api/reload" => return Some(Self::Reload),
            "/api/status" => return Some(Self::Status),
            "/api/box" => return Some(Self::Box),
            "/api/update" => return Some(Self::Update),
            "/api/rollback" => return Some(Self::Rollback),
            "/api/report" => return Some(Self::Report),
            "/api/reboot" => return Some(Self::Reboot),
            "/api/identity" => return Some(Self::Identity),
            "/-/login" => return Some(Self::Login),
            "/-/logout" => return Some(Self::Logout),
            _ => {}
        }
        if let Some(id) = path.strip_prefix("/api/sessions/") {
            return session_id(id).map(Self::SessionById);
        }
        if let Some(page) = pages::find(path) {
            return Some(Self::Page(page));
        }
        let mut parts = path.strip_prefix('/')?.split('/');
        let camera = parts.next().filter(|name| name_problem(name).is_none())?;
        match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => Some(Self::PlayerBare(camera)),
            (Some(""), None, _) => Some(Self::Player(camera)),
            // Users also write it with a slash at its end.
            (Some("whep"), None, _) | (Some("whep"), Some(""), None) => Some(Self::Whep(camera)),
            (Some("whep"), Some(secret), None) if whep::is_secret(secret) => {
                Some(Self::Session(secret))
            }
            _ => None,
        }
    }

    pub(super) fn methods(self) -> &'static str {
        match self {
            Self::Reload | Self::Rollback | Self::Reboot => "POST",
            Self::Update => "PUT",
            Self::Whep(_) => "GET, HEAD, OPTIONS, POST",
            Self::Session(_) => "DELETE, GET, HEAD, OPTIONS, PATCH",
            Self::SessionById(_) => "DELETE",
            Self::Login => "GET, HEAD, POST",
            Self::Logout => "POST",
            _ => "GET, HEAD",
        }
    }

    /// Refuses a method that the route does not take.
    ///
    /// # Errors
    /// 405 with `Allow`.
    pub(super) fn check_method(self, asked: &Method) -> Result<(), Reply> {
        let methods = self.methods();
        if methods.split(", ").any(|method| asked == method) {
            return Ok(());
        }
        Err(match self {
            // A WHEP player was given the address of the page.
            Self::Player(camera) | Self::PlayerBare(camera) if asked == Method::POST => {
                elsewhere(methods, &format!("offers for this camera are posted to /{camera}/whep"))
            }
            _ => method_not_allowed(methods),
        })
    }

    /// The role that the route needs; `None` when every client may ask for it.
    pub(super) fn needs(self) -> Option<Role> {
        match self {
            // The program's own files, and the way to log in.
            Self::Page(page) if page.is_public() => None,
            Self::Login | Self::Logout | Self::Health => None,
            // Its address is a secret that only the client which made the session was told.
            Self::Session(_) => None,
            Self::Page(_)
            | Self::Player(_)
            | Self::PlayerBare(_)
            | Self::Cameras
            | Self::Identity
            | Self::Whep(_) => Some(Role::Viewer),
            Self::Sessions
            | Self::SessionById(_)
            | Self::Status
            | Self::Reload
            | Self::Box
            | Self::Update
            | Self::Rollback
            | Self::Reboot
            | Self::Report => Some(Role::Operator),
        }
    }

    /// Whether it is opened in a browser, so that a denial is a page or leads to the login.
    pub(super) fn is_page(self) -> bool {
        matches!(self, Self::Page(_) | Self::Player(_) | Self::PlayerBare(_) | Self::Login)
    }

    /// Whether knowing its address is enough to be let in.
    pub(super) fn is_capability(self) -> bool {
        matches!(self, Self::Session(_))
    }

    pub(super) fn is_whep(self) -> bool {
        matches!(self, Self::Whep(_) | Self::Session(_))
    }
}

/// Parses a session's public id, only in the form that `/api/sessions` writes.
fn session_id(text: &str) -> Option<u64> {
    text.parse().ok().filter(|id: &u64| id.to_string() == text)
}

/// Reads a request of the main site, with its body. Called once the authorizer has let the request
/// in; `owner` is the owner that it found.
///
/// # Errors
/// The reply that says what is wrong with it: 404 for an unknown path, 415 for a body of another
/// type, 400 for a malformed one or a malformed `If-Match`, and those of [`Bodies::read`].
pub(super) async fn read(
    request: Request<Incoming>,
    client: Client,
    owner: Option<Owner>,
    bodies: &Bodies,
) -> Result<Wanted, Reply> {
    let (head, body) = request.into_parts();
    let route = Route::of(head.uri.path()).ok_or_else(not_found)?;
    Ok(Wanted::Action(match (route, &head.method) {
        (Route::Page(page), _) => {
            Action::Done(page.reply(StatusCode::OK, &Terms::of(&head.headers)))
        }
        (Route::Player(camera), _) => {
            Action::Player { camera: camera.to_owned(), terms: Terms::of(&head.headers) }
        }
        (Route::PlayerBare(camera), _) => {
            let query = head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            Action::Done(redirect(&format!("/{camera}/{query}")))
        }
        (Route::Cameras, _) => Action::Cameras,
        (Route::Sessions, _) => Action::Sessions,
        (Route::SessionById(id), _) => Action::EndById { id },
        (Route::Reload, _) => Action::Reload,
        (Route::Status, _) => Action::Status,
        (Route::Box, _) => Action::Box,
        (Route::Update, _) => Action::Update(Upload::of(&head, body)?),
        (Route::Report, _) => Action::Report,
        (Route::Rollback, _) => Action::AskBox(BoxRequest::Rollback),
        (Route::Reboot, _) => Action::AskBox(BoxRequest::Reboot),
        (Route::Health, _) => Action::Health,
        (Route::Whep(_), &Method::OPTIONS) => Action::Options { is_endpoint: true },
        (Route::Whep(camera), &Method::POST) => {
            whep::check_offer_type(&head.headers)?;
            Action::Offer(OfferRequest {
                camera: camera.to_owned(),
                sdp: whep::text(bodies.read(&head, body, client.key).await?, "the offer")?,
                peer: client.peer,
                client: client.key,
                asked: client.asked,
                owner: owner.unwrap_or(Owner::Address { key: client.key, is_local: false }),
            })
        }
        (Route::Whep(camera), method) => {
            Action::LookForCamera { camera: camera.to_owned(), is_head: method == Method::HEAD }
        }
        (Route::Session(_), &Method::OPTIONS) => Action::Options { is_endpoint: false },
        (Route::Session(secret), &Method::DELETE) => Action::End { secret: secret.to_owned() },
        (Route::Session(secret), &Method::PATCH) => {
            whep::check_fragment_type(&head.headers)?;
            Action::Patch(Patch {
                secret: secret.to_owned(),
                if_match: whep::if_match(&head.headers)?,
                fragment: whep::text(bodies.read(&head, body, client.key).await?, "the fragment")?,
                asked: client.asked,
            })
        }
        (Route::Login, &Method::POST) => {
            form::check_type(&head.headers)?;
            return Ok(Wanted::Login(LoginRequest::Enter {
                form: bodies.read(&head, body, client.key).await?,
            }));
        }
        (Route::Login, _) => return Ok(Wanted::Login(login_page(&head, client))),
        (Route::Logout, _) => {
            let cookies = cookie::of(&head.headers, client.is_tls);
            return Ok(Wanted::Login(LoginRequest::Leave { cookies }));
        }
        (Route::Identity, _) => return Ok(Wanted::Login(LoginRequest::Identity)),
        (Route::Session(secret), method) => {
            Action::Look { secret: secret.to_owned(), is_head: method == Method::HEAD }
        }
    }))
}

/// The login page, or the redirect after it for a browser that has just logged in.
fn login_page(head: &Parts, client: Client) -> LoginRequest {
    let value = |name| head.uri.query().and_then(|query| form::value(query, name));
    let next = value("next");
    if value(ENTERED).is_none() {
        return LoginRequest::Page { next };
    }
    LoginRequest::Onward { next, cookies: cookie::of(&head.headers, client.is_tls) }
}

/// Reads a request of the diagnostics port.
///
/// # Errors
/// 404 for an unknown path, 405 for a method that it does not take, 400 for a bad query.
pub(super) fn read_diagnostics<B>(request: &Request<B>) -> Result<Action, Reply> {
    let (path, query) = (request.uri().path(), request.uri().query());
    let is_profile = path.starts_with("/debug/pprof/");
    // Who asks for the head of a profile alone would wait for all of it.
    let methods = if is_profile { "GET" } else { "GET, HEAD" };
    let action = || match path {
        "/healthz" => Ok(Action::Health),
        "/metrics" => Ok(Action::Metrics),
        "/debug/pprof/" => Ok(Action::Done(pprof::index())),
        "/debug/pprof/profile" => Ok(Action::CpuProfile { seconds: pprof::cpu::seconds(query)? }),
        "/debug/pprof/heap" => Ok(Action::HeapProfile),
        "/debug/pprof/goroutine" => {
            let debug = query.and_then(|query| form::value(query, "debug"));
            Ok(Action::Tasks { is_text: debug.is_some_and(|debug| debug != "0") })
        }
        "/debug/pprof" => Ok(Action::Done(redirect("/debug/pprof/"))),
        _ => Err(not_found()),
    };
    let action = action()?;
    if methods.split(", ").any(|method| request.method() == method) {
        Ok(action)
    } else {
        Err(method_not_allowed(methods))
    }
}

/// Whether a request of the diagnostics port may be answered. A client on this machine always may.
/// Other clients, proxies on this machine among them, need the token whose hash is configured.
/// Health is answered to loopback whatever host name the request has.
///
/// # Errors
/// 403 where no token is configured, 401 where the token is missing or wrong.
pub(super) fn admit_diagnostics<B>(
    request: &Request<B>,
    client: Client,
    names: &Names,
    hash: Option<&TokenHash>,
) -> Result<(), Reply> {
    let is_health = request.uri().path() == "/healthz" && client.peer.ip().is_loopback();
    if is_health || caller::is_on_this_machine(request, client, names) {
        return Ok(());
    }
    let Some(hash) = hash else {
        let detail = "without `token_hash` in [diagnostics] only this machine is answered, by its own \
                      names and not through a proxy";
        return Err(problem(StatusCode::FORBIDDEN, detail));
    };
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| TokenHash::of(token.trim()))
    });
    if given.is_some_and(|given| hash.fits(&given)) {
        return Ok(());
    }
    let mut reply = problem(StatusCode::UNAUTHORIZED, "this needs the token of [diagnostics]");
    reply.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Err(reply)
}

pub(super) fn not_found() -> Reply {
    problem(StatusCode::NOT_FOUND, "there is nothing at this address")
}

/// Redirects from the bare `[http] prefix` to the camera list below it, where the page's relative
/// links lead to its files.
pub(super) fn to_the_list() -> Reply {
    redirect("/")
}

fn redirect(location: &str) -> Reply {
    let mut reply = empty(StatusCode::TEMPORARY_REDIRECT);
    let location = HeaderValue::try_from(location).expect("a name and a query are visible ASCII");
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
            ("/api/status", Some(Route::Status)),
            ("/-/login", Some(Route::Login)),
            ("/-/login/", None),
            ("/healthz", Some(Route::Health)),
            ("/api/reload", Some(Route::Reload)),
            ("/api/sessions/17", Some(Route::SessionById(17))),
            ("/api/sessions/017", None),
            ("/api/sessions/+7", None),
            ("/api/sessions/-7", None),
            ("/api/sessions/18446744073709551616", None),
            ("/api/sessions/7/", None),
            ("/api/sessions/", None),
            ("/gate/whep/", Some(Route::Whep("gate"))),
            ("/gate/whep//", None),
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
