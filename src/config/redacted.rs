//! The file as it may be shown to others: without passwords, hashes, tokens, the parts of a URL
//! beyond host and port, and comments, which may contain any of these. A value is shown only under
//! a key that is known to hold no secret.

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use crate::rtsp::CameraUrl;

const HIDDEN: &str = "(hidden)";
const UNKNOWN: &str = "(unknown)";
/// Keys whose value is shown.
const OPEN: [&str; 28] = [
    "announce",
    "baud",
    "cameras",
    "certificate",
    "config_version",
    "device",
    "ice_servers",
    "key",
    "listen",
    "login_hours",
    "name",
    "names",
    "onvif_port",
    "open",
    "origins",
    "password_file",
    "payload_bytes",
    "prefix",
    "proxies",
    "resend",
    "role",
    "sound",
    "tls",
    "tls_ca",
    "tls_fingerprint",
    "transport",
    "url",
    "user",
];
/// weir's other keys and sections: the name is shown, the value is not. An unknown key may be a
/// secret itself, so not even its name is shown.
const CLOSED: [&str; 11] = [
    "camera",
    "console",
    "diagnostics",
    "hash",
    "http",
    "https",
    "password",
    "process",
    "token",
    "token_hash",
    "webrtc",
];

/// The file's text without secrets.
///
/// # Errors
/// The text is not TOML; the message quotes nothing of it.
pub(super) fn redacted(text: &str) -> Result<String, String> {
    let document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| error.message().to_owned())?;
    let mut shown = String::new();
    section(document.as_table(), "", &mut shown);
    Ok(shown)
}

/// Writes the keys of a table, then the tables in it.
fn section(table: &Table, path: &str, shown: &mut String) {
    for (key, item) in table.iter() {
        if let Item::Value(value) = item {
            *shown += &format!("{} = {}\n", name(key), masked(key, value));
        }
    }
    for (key, item) in table.iter() {
        let path =
            if path.is_empty() { name(key).to_owned() } else { format!("{path}.{}", name(key)) };
        match item {
            Item::Table(table) => {
                *shown += &format!("\n[{path}]\n");
                section(table, &path, shown);
            }
            Item::ArrayOfTables(tables) => {
                for table in tables {
                    *shown += &format!("\n[[{path}]]\n");
                    section(table, &path, shown);
                }
            }
            Item::Value(_) | Item::None => {}
        }
    }
}

/// The key if weir knows it, else [`UNKNOWN`].
fn name(key: &str) -> &str {
    if OPEN.contains(&key) || CLOSED.contains(&key) { key } else { UNKNOWN }
}

/// The value as it may be shown, else [`HIDDEN`].
fn masked(key: &str, value: &Value) -> String {
    let joined = |items: Vec<String>| items.join(", ");
    match value {
        Value::InlineTable(table) => {
            let of = |(key, item): (&str, &Item)| {
                let value = item.as_value().map_or(HIDDEN.to_owned(), |value| masked(key, value));
                format!("{} = {value}", name(key))
            };
            format!("{{ {} }}", joined(TableLike::iter(table).map(of).collect()))
        }
        // The items of `user = [{ … }]` are tables.
        Value::Array(list) => {
            format!("[{}]", joined(list.iter().map(|item| masked(key, item)).collect()))
        }
        _ if !OPEN.contains(&key) => format!("\"{HIDDEN}\""),
        Value::String(text) if key == "url" => format!("{:?}", url(text.value())),
        Value::String(text) => format!("{:?}", text.value()),
        Value::Integer(number) => number.value().to_string(),
        Value::Boolean(switch) => switch.value().to_string(),
        Value::Float(_) | Value::Datetime(_) => format!("\"{HIDDEN}\""),
    }
}

/// The URL as the RTSP client shows it: without login, path and query, as cameras have passwords in
/// each of them.
fn url(text: &str) -> String {
    CameraUrl::parse(text).map_or(HIDDEN.to_owned(), |url| url.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::SECRET;

    #[test]
    fn nothing_secret_is_shown_wherever_it_stands() {
        let s = SECRET;
        let text = format!(
            "# {s}\nconfig_version = 1\nunknown = \"{s}\"\n[console]\npassword = \"{s}\"\n\
             [diagnostics]\ntoken_hash = \"{s}\"\n[[user]]\nname = \"anna\"\npassword = \"{s}\"\n\
             pasword = \"{s}\"\n[[token]]\nname = \"wall\"\nhash = \"{s}\"\ncameras = [\"gate\"]\n\
             [[camera]]\nname = \"gate\"\nurl = \"rtsp://admin:{s}@192.0.2.7/1\" # {s}\n\
             [[camera]]\nname = \"yard\"\nurl = \"rtsp://192.0.2.8/user=a_password={s}\"\n\
             user = \"admin\"\npassword = \"\"\"{s}\"\"\"\n[new.\"{s}\"]\nx = {{ y = \"{s}\" }}\n\
             z = [[\"{s}\"]]\n"
        );
        let shown = redacted(&text).expect("TOML");
        assert!(!shown.contains(s), "{shown}");
        for line in [
            "config_version = 1",
            "[console]",
            "password = \"(hidden)\"",
            "name = \"anna\"",
            "cameras = [\"gate\"]",
            "url = \"rtsp://(hidden)@192.0.2.7:554/(hidden)\"",
            "url = \"rtsp://192.0.2.8:554/(hidden)\"",
            "(unknown) = { (unknown) = \"(hidden)\" }",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line}:\n{shown}");
        }
        let error = redacted(&format!("password = {s}")).expect_err("no TOML");
        assert!(!error.contains(s), "{error}");
    }

    #[test]
    fn a_password_with_anything_in_it_is_hidden() {
        for (full, shown) in [
            ("rtsp://u:p@ss/w?rd@192.0.2.7:554/1", HIDDEN),
            ("rtsp://u:pss/w?rd@192.0.2.7:554/1", "rtsp://(hidden)@192.0.2.7:554/(hidden)"),
            ("rtsp://192.0.2.7/cam?channel=1", "rtsp://192.0.2.7:554/(hidden)"),
            ("rtsp://192.0.2.7/1", "rtsp://192.0.2.7:554/(hidden)"),
            ("rtsp://192.0.2.7/", "rtsp://192.0.2.7:554/"),
            ("rtsp://u:1/secret@192.0.2.7/", HIDDEN),
            ("nonsense", HIDDEN),
        ] {
            assert_eq!(url(full), shown);
        }
    }
}
