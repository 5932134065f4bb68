//! For the fuzzer: a connection as [`super::server`] answers it, on a stream in memory, with
//! replies that need no camera.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, StatusCode};
use tokio::io::DuplexStream;

use super::authorizer::Authorizer;
use super::body::Bodies;
use super::connections::{Bounds, ConnectionTable};
use super::empty;
use super::route::Action;
use super::server::{Client, converse};
use super::site::respond;
use crate::access::{Guard, Policy};
use crate::mem::accounts::AccountKind;
use crate::status::TABLES;
use crate::storage::StateFolder;

/// Serves `stream` until it ends.
pub(crate) async fn connection(stream: DuplexStream) {
    let loopback = std::net::IpAddr::from([127, 0, 0, 1]);
    let idle = Duration::from_secs(5);
    let usage = &TABLES.http_connections;
    let table = ConnectionTable::new(Bounds {
        connections: 1,
        per_address: 1,
        idle,
        account: AccountKind::HttpConnection,
        usage,
    });
    let slot = table.admit(table.address_of(loopback, 0), 0).expect("the table is empty");
    let bodies = Rc::new(Bodies::new());
    let guard = Guard::new(StateFolder::none());
    let handler = move |request: Request<Incoming>, client| {
        let policy = Policy { open: true, ..Policy::default() };
        let authorizer = Authorizer { guard: guard.clone(), policy: Arc::new(policy) };
        respond(request, client, Rc::clone(&bodies), authorizer, |action| async move {
            match action {
                Action::Done(reply) => reply,
                _ => empty(StatusCode::OK),
            }
        })
    };
    let client =
        Client { peer: (loopback, 1).into(), key: loopback, asked: loopback, is_tls: false };
    converse(stream, client, &slot, idle, handler).await;
    table.release(&slot);
}
