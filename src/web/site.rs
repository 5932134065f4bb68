//! The two sites, main and diagnostics: what a request asks for is asked of [`Control`], whose
//! result becomes the reply.

use std::rc::Rc;
use std::time::Duration;

use hyper::http::Uri;
use hyper::{Request, StatusCode, body::Incoming};
use tokio::net::TcpListener;

use super::activity::Proxied;
use super::authorizer::{Authorizer, RequestContext};
use super::body::Bodies;
use super::caller::Caller;
use super::connections::{Bounds, ConnectionTable};
use super::content::PIECE_ITEMS;
use super::https_redirect::HttpsRedirect;
use super::listener::{self, Entrance};
use super::pages::{PLAYER, Terms};
use super::report::report;
use super::route::{self, Action, Route, Wanted};
use super::server::Client;
use super::{Reply, api, login, metrics, pprof, whep};
use crate::control::{Control, ListPosition, OfferRefusal};
use crate::limits::{DIAGNOSTICS_CONNECTIONS_MAX, HTTP_KEEP_ALIVE_MS, PROFILE};
use crate::mem::accounts::AccountKind;
use crate::status::TABLES;
use crate::tls::Tls;

/// The listening sockets of the main site.
pub struct Listeners {
    /// Plain HTTP: everything; with `https` only health, and a redirect for the rest.
    pub http: TcpListener,
    /// HTTPS: everything. `None` when it is off.
    pub https: Option<(TcpListener, Tls)>,
}

/// Serves pages, API and WHEP for ever. The daemon spawns it on the control thread.
pub async fn serve(listeners: Listeners, control: Control) {
    let bounds = Bounds {
        connections: PROFILE.http_connections,
        per_address: PROFILE.http_connections_per_address,
        account: AccountKind::HttpConnection,
        usage: &TABLES.http_connections,
        idle: Duration::from_millis(HTTP_KEEP_ALIVE_MS),
    };
    let shared = control.clone();
    let table = ConnectionTable::with_shared(bounds, move |ip| shared.policy().is_proxy(ip));
    let bodies = Rc::new(Bodies::new());
    let whole = {
        let control = control.clone();
        move |request: Request<Incoming>, client| {
            let (control, bodies) = (control.clone(), Rc::clone(&bodies));
            let authorizer = Authorizer { guard: control.guard(), policy: control.policy() };
            respond(request, client, bodies, authorizer, move |action| async move {
                perform(&control, action).await
            })
        }
    };
    let Listeners { http, https } = listeners;
    let http = Entrance { listener: http, tls: None };
    let Some((listener, tls)) = https else {
        return listener::serve(http, table, whole).await;
    };
    let port = listener.local_addr().map_or(0, |address| address.port());
    let plain = move |request: Request<Incoming>, client: Client| {
        let control = control.clone();
        async move {
            let (guard, policy) = (control.guard(), control.policy());
            let domains = guard.domains();
            let names = guard.names(&policy, &domains);
            let is_by_proxy = policy.is_proxy(client.peer.ip());
            let redirect = HttpsRedirect { names, is_by_proxy, port };
            let action = redirect.read(&request).unwrap_or_else(Action::Done);
            perform(&control, action).await
        }
    };
    let https = Entrance { listener, tls: Some(tls) };
    tokio::join!(
        listener::serve(http, Rc::clone(&table), plain),
        listener::serve(https, table, whole)
    );
}

/// Serves health and metrics for ever. Clients that are not on this machine need the token of
/// `[diagnostics]`. The daemon spawns it on the control thread.
pub async fn serve_diagnostics(listener: TcpListener, control: Control) {
    let table = ConnectionTable::new(Bounds {
        connections: DIAGNOSTICS_CONNECTIONS_MAX,
        per_address: DIAGNOSTICS_CONNECTIONS_MAX,
        account: AccountKind::DiagnosticsConnection,
        usage: &TABLES.diagnostics_connections,
        idle: Duration::from_millis(HTTP_KEEP_ALIVE_MS),
    });
    let handler = move |request: Request<Incoming>, client: Client| {
        let control = control.clone();
        async move {
            let hash = control.diagnostics_token();
            let (guard, policy) = (control.guard(), control.policy());
            let domains = guard.domains();
            let names = guard.names(&policy, &domains);
            let read = route::admit_diagnostics(&request, client, &names, hash.as_ref())
                .and_then(|()| route::read_diagnostics(&request));
            match read {
                Ok(action) => perform(&control, action).await,
                Err(reply) => reply,
            }
        }
    };
    listener::serve(Entrance { listener, tls: None }, table, handler).await;
}

/// Has the authorizer check a request of the main site, and has `perform` do what it asks.
pub(super) async fn respond<P, F>(
    mut request: Request<Incoming>,
    client: Client,
    bodies: Rc<Bodies>,
    authorizer: Authorizer,
    perform: P,
) -> Reply
where
    P: FnOnce(Action) -> F,
    F: Future<Output = Reply>,
{
    let is_bare = strip(&authorizer.policy.prefix, request.uri_mut());
    let caller = authorizer.caller(&request, client);
    let proxied = request.extensions().get::<Proxied>();
    if let (Some(Proxied(activity)), Some(key)) = (proxied, caller.forwarded()) {
        activity.asks_for(key);
    }
    let path = request.uri().path().to_owned();
    let route = Route::of(&path);
    let mut context = RequestContext::default();
    let mut reply = match route {
        None => route::not_found(),
        Some(_) if is_bare => route::to_the_list(),
        Some(route) => match admit(&request, caller, route, &authorizer, &mut context).await {
            Err(reply) => reply,
            Ok(()) => match route::read(request, caller.client, context.owner, &bodies).await {
                Err(reply) => reply,
                Ok(Wanted::Action(action)) => perform(action).await,
                Ok(Wanted::Login(ask)) => login::answer(&authorizer, &context, caller, ask).await,
            },
        },
    };
    authorizer.finish(route, context, &mut reply);
    reply
}

/// Takes `[http] prefix` off a request's path: some proxies leave it there, others do not. True
/// when nothing came after it, not even a slash.
fn strip(prefix: &str, uri: &mut Uri) -> bool {
    if prefix.is_empty() {
        return false;
    }
    let whole = uri.path_and_query().map_or("", |whole| whole.as_str());
    let Some(rest) = whole.strip_prefix(prefix) else { return false };
    let is_bare = rest.is_empty() || rest.starts_with('?');
    if !is_bare && !rest.starts_with('/') {
        return false;
    }
    let rest = if is_bare { format!("/{rest}") } else { rest.to_owned() };
    let mut parts = std::mem::take(uri).into_parts();
    parts.path_and_query = Some(rest.parse().expect("the end of an address is one"));
    *uri = Uri::from_parts(parts).expect("what it was, with another path");
    is_bare
}

async fn admit(
    request: &Request<Incoming>,
    caller: Caller,
    route: Route<'_>,
    authorizer: &Authorizer,
    context: &mut RequestContext,
) -> Result<(), Reply> {
    route.check_method(request.method())?;
    authorizer.admit(request, caller, route, context).await
}

async fn perform(control: &Control, action: Action) -> Reply {
    match action {
        Action::Done(reply) => reply,
        Action::Cameras => {
            let (control, mut next) = (control.clone(), 0);
            let configuration = control.configuration();
            api::cameras(&configuration, move || control.cameras_from(&mut next, PIECE_ITEMS))
        }
        Action::Sessions => {
            let (control, mut next) = (control.clone(), ListPosition::default());
            api::sessions(move || control.sessions_from(&mut next, PIECE_ITEMS))
        }
        Action::Reload => api::reloaded(control.reload().await),
        Action::Status => api::status(&control.report()),
        Action::Box => api::slots(control.slots().await),
        Action::Report => api::report(report(control).await),
        Action::Update(upload) => upload.install().await,
        Action::AskBox(request) => api::asked(control.ask_box(&request).await),
        Action::Health => api::health(control.camera_count()),
        Action::Metrics => metrics::reply(control.cameras(), control.slots_at_once().await),
        Action::CpuProfile { seconds } => pprof::cpu::reply(seconds).await,
        Action::HeapProfile => pprof::heap::reply(),
        Action::Tasks { is_text: false } => pprof::tasks::reply(),
        Action::Tasks { is_text: true } => {
            let (cameras, mut camera) = (control.clone(), 0);
            let (sessions, mut session) = (control.clone(), ListPosition::default());
            pprof::tasks::text(pprof::tasks::Lists {
                cameras: move || cameras.cameras_from(&mut camera, PIECE_ITEMS),
                sessions: move || sessions.sessions_from(&mut session, PIECE_ITEMS),
            })
        }
        Action::Player { camera, terms } => player(control.has_camera(&camera), &terms),
        Action::Offer(offer) => {
            let camera = offer.camera.clone();
            match control.offer(offer).await {
                Ok(answer) => whep::created(&camera, answer, &control.ice_servers()),
                Err(refusal) => whep::refused(&refusal),
            }
        }
        Action::LookForCamera { camera, is_head } => {
            if control.has_camera(&camera) {
                whep::present(is_head)
            } else {
                whep::refused(&OfferRefusal::UnknownCamera)
            }
        }
        Action::Options { is_endpoint } => whep::options(is_endpoint, &control.ice_servers()),
        Action::Look { secret, is_head } => {
            if control.has_session(&secret) {
                whep::present(is_head)
            } else {
                whep::over(control.reason_of(&secret).as_deref())
            }
        }
        Action::Patch(patch) => whep::patched(control.patch(&patch)),
        Action::End { secret } => whep::ended(control.end(&secret)),
        Action::EndById { id } => api::ended(control.end_by_id(id)),
    }
}

/// The player page; with 404 for an unknown camera, which the page itself then explains.
fn player(is_known: bool, terms: &Terms) -> Reply {
    let status = if is_known { StatusCode::OK } else { StatusCode::NOT_FOUND };
    PLAYER.reply(status, terms)
}

#[cfg(test)]
mod tests;
