//! The two sites: what requests ask for is asked of [`Control`], and its word made a reply.

use std::rc::Rc;
use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::{Request, StatusCode, body::Incoming};
use tokio::net::TcpListener;

use super::body::Bodies;
use super::gate::{Gate, Visit};
use super::pages::PLAYER;
use super::route::{self, Action, Route, Wanted};
use super::server::{self, Bounds, Client};
use super::{Reply, api, login, metrics, whep};
use crate::control::Control;
use crate::limits::{DIAGNOSTICS_CONNECTIONS_MAX, HTTP_KEEP_ALIVE_MS, PROFILE};

/// Serves pages, API and WHEP, for ever.
pub async fn serve(listener: TcpListener, control: Control) {
    let bounds = Bounds {
        connections: PROFILE.http_connections,
        per_address: PROFILE.http_connections_per_address,
        idle: Duration::from_millis(HTTP_KEEP_ALIVE_MS),
    };
    let bodies = Rc::new(Bodies::new());
    let handler = move |request: Request<Incoming>, client| {
        let (control, bodies) = (control.clone(), Rc::clone(&bodies));
        let gate = Gate { guard: control.guard(), policy: control.policy() };
        respond(request, client, bodies, gate, move |action| async move {
            perform(&control, action).await
        })
    };
    server::serve(listener, bounds, handler).await;
}

/// Serves health and metrics, for ever.
pub async fn serve_diagnostics(listener: TcpListener, control: Control) {
    let bounds = Bounds {
        connections: DIAGNOSTICS_CONNECTIONS_MAX,
        per_address: DIAGNOSTICS_CONNECTIONS_MAX,
        idle: Duration::from_millis(HTTP_KEEP_ALIVE_MS),
    };
    let handler = move |request: Request<Incoming>, _: Client| {
        let control = control.clone();
        async move {
            match route::read_diagnostics(&request) {
                Ok(action) => perform(&control, action).await,
                Err(reply) => reply,
            }
        }
    };
    server::serve(listener, bounds, handler).await;
}

/// Takes a request of the main site through the gate and has `perform` do what it asks.
async fn respond<P, F>(
    request: Request<Incoming>,
    client: Client,
    bodies: Rc<Bodies>,
    gate: Gate,
    perform: P,
) -> Reply
where
    P: FnOnce(Action) -> F,
    F: Future<Output = Reply>,
{
    let path = request.uri().path().to_owned();
    let route = Route::of(&path);
    let mut visit = Visit::default();
    let mut reply = match route {
        None => route::not_found(),
        Some(route) => match admit(&request, client, route, &gate, &mut visit).await {
            Err(reply) => reply,
            Ok(()) => match route::read(request, client, &bodies).await {
                Err(reply) => reply,
                Ok(Wanted::Action(action)) => perform(action).await,
                Ok(Wanted::Login(ask)) => login::answer(&gate, &visit, client, ask).await,
            },
        },
    };
    gate.finish(route, visit, &mut reply);
    reply
}

async fn admit(
    request: &Request<Incoming>,
    client: Client,
    route: Route<'_>,
    gate: &Gate,
    visit: &mut Visit,
) -> Result<(), Reply> {
    route.check_method(request.method())?;
    gate.admit(request, client, route, visit).await
}

async fn perform(control: &Control, action: Action) -> Reply {
    match action {
        Action::Done(reply) => reply,
        Action::Cameras => api::cameras(&control.cameras()),
        Action::Sessions => api::sessions(&control.sessions()),
        Action::Health => api::health(&control.cameras()),
        Action::Metrics => metrics::reply(&control.cameras()),
        Action::Player { camera, if_none_match } => {
            let is_known = control.cameras().iter().any(|known| known.name == camera);
            player(is_known, if_none_match.as_ref())
        }
        Action::Offer(offer) => {
            let camera = offer.camera.clone();
            match control.offer(offer).await {
                Ok(answer) => whep::created(&camera, answer),
                Err(refusal) => whep::refused(&refusal),
            }
        }
        Action::Look { secret, is_head } => match control.etag(&secret) {
            Some(_) => whep::present(is_head),
            None => whep::over(control.reason_of(&secret).as_deref()),
        },
        Action::Patch { secret, if_match } => {
            whep::patched(control.etag(&secret).as_deref(), if_match.as_deref())
        }
        Action::End { secret } => whep::ended(control.end(&secret)),
    }
}

/// The player; with 404 for an unknown camera, which the page then says in its own words.
fn player(is_known: bool, if_none_match: Option<&HeaderValue>) -> Reply {
    let status = if is_known { StatusCode::OK } else { StatusCode::NOT_FOUND };
    PLAYER.reply(status, if_none_match)
}

#[cfg(test)]
mod tests;
