//! `[http] ice_servers`: STUN servers that the `Link` header of WHEP names to players.
//!
//! weir itself uses none of them. TURN servers are refused: they need a login, which every player
//! that may watch a camera would receive.

use toml::de::DeValue;

use super::place::{Problems, Severity};
use super::section::{At, TomlSection, wrong_type};
use crate::limits::{ICE_SERVER_BYTES_MAX, ICE_SERVERS_MAX};

/// Reads the list. An item that is not a STUN URI is left out and noted; a list of more than
/// [`ICE_SERVERS_MAX`] is refused as a whole.
pub(super) fn read(section: &mut TomlSection, problems: &mut Problems) -> Vec<String> {
    let mut servers = Vec::new();
    let Some(list) = section.value("ice_servers") else { return servers };
    let offset = list.span().start;
    let items = match list.get_ref() {
        DeValue::Array(items) => items,
        other => {
            let At { value, offset } = wrong_type("[http]", "ice_servers", "a list", other, offset);
            problems.note(offset, Severity::Warning, value);
            return servers;
        }
    };
    if items.len() > ICE_SERVERS_MAX {
        let count = items.len();
        let message = format!("`ice_servers` in [http] has {count} servers, max {ICE_SERVERS_MAX}");
        problems.note(offset, Severity::Warning, message);
        return servers;
    }
    for item in items.iter() {
        match item.get_ref().as_str().filter(|uri| is_stun(uri)) {
            Some(uri) => servers.push(uri.to_owned()),
            None => {
                let message = "`ice_servers` in [http] needs STUN servers, like \
                               \"stun:stun.example.net\"";
                problems.note(item.span().start, Severity::Warning, message.to_owned());
            }
        }
    }
    servers
}

/// Whether `uri` is a `stun:` or `stuns:` URI (RFC 7064) that is safe in a header.
fn is_stun(uri: &str) -> bool {
    let host = uri.strip_prefix("stun:").or_else(|| uri.strip_prefix("stuns:"));
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    uri.len() <= ICE_SERVER_BYTES_MAX
        && host.is_some_and(|host| !host.is_empty() && host.bytes().all(may_stand))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::parse;

    #[test]
    fn stun_servers_are_taken_and_nothing_else() {
        for uri in ["stun:stun.example.net", "stuns:192.0.2.1:5349", "stun:[2001:db8::1]:3478"] {
            let loaded = parse(
                &format!("config_version = 1\n[http]\nice_servers = [\"{uri}\"]"),
                Path::new(""),
            );
            assert_eq!(loaded.config.http.ice_servers, [uri]);
            assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
        }
        let long = format!("[\"stun:{}\"]", "x".repeat(200));
        for list in [
            "[\"turn:turn.example.net\"]",
            "[\"stun:\"]",
            "[\"stun:a>; rel=x\"]",
            "[7]",
            "\"stun:stun.example.net\"",
            "[\"stun:a\", \"stun:b\", \"stun:c\", \"stun:d\", \"stun:e\"]",
            &long,
        ] {
            let loaded =
                parse(&format!("config_version = 1\n[http]\nice_servers = {list}"), Path::new(""));
            assert!(loaded.config.http.ice_servers.is_empty(), "{list}");
            assert_eq!(loaded.problems.len(), 1, "{list}");
            assert_eq!((loaded.problems[0].line, loaded.is_fatal()), (3, false));
        }
    }
}
