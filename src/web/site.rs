//! The two sites: what requests ask for is asked of [`Control`], and its word made a reply.

use std::rc::Rc;
use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::{Request, StatusCode, body::Incoming};
use tokio::net::TcpListener;

use super::body::Bodies;
use super::pages::PLAYER;
use super::route::{self, Action};
use super::server::{self, Bounds, Client};
use super::{Reply, api, metrics, whep};
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
    let handler =
        move |request: Request<Incoming>, client| {
            let (control, bodies) = (control.clone(), Rc::clone(&bodies));
            respond(request, client, bodies, move |action| async move {
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

/// Reads a request of the main site and has `perform` do what it asks.
async fn respond<P, F>(
    request: Request<Incoming>,
    client: Client,
    bodies: Rc<Bodies>,
    perform: P,
) -> Reply
where
    P: FnOnce(Action) -> F,
    F: Future<Output = Reply>,
{
    let path = request.uri().path().to_owned();
    let mut reply = match route::read(request, client, &bodies).await {
        Ok(action) => perform(action).await,
        Err(reply) => reply,
    };
    route::finish(&path, &mut reply);
    reply
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
        Action::Look { secret, is_head } => {
            if control.has_session(&secret) {
                whep::present(is_head)
            } else {
                whep::no_session()
            }
        }
        Action::Patch(patch) => whep::patched(control.patch(&patch)),
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
