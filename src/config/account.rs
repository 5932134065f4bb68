//! `[[user]]`, `[[token]]` and the access keys of `[http]`. A mistake disables only its own entry:
//! access still needs a login.

use toml::de::{DeTable, DeValue};

use super::Config;
use super::place::{Problems, Severity};
use super::section::{At, TomlSection, wrong_type};
use crate::access::{Account, Network, Origin, PasswordHash, Policy, Role, Token, TokenHash, User};
use crate::limits::{
    ACCOUNT_NAME_BYTES_MAX, HTTP_NAME_BYTES_MAX, HTTP_NAMES_MAX, HTTP_PREFIX_BYTES_MAX,
    LOGIN_HOURS_MAX, TOKENS_MAX, USERS_MAX,
};

/// Reads `open`, `names`, `origins`, `proxies`, `prefix` and `login_hours`.
pub(super) fn read_http(http: &mut TomlSection, policy: &mut Policy, problems: &mut Problems) {
    policy.open = http.switch("open", policy.open, problems);
    let hours = 1..=LOGIN_HOURS_MAX;
    policy.login_hours = http.count("login_hours", hours, policy.login_hours, problems);
    policy.names = read_list(http, "names", "names like \"gate.example\"", problems, |text| {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        text.bytes().all(fits).then(|| text.trim_end_matches('.').to_ascii_lowercase())
    });
    let wanted = "sites like \"https://portal.example\", or \"*\"";
    policy.origins = read_list(http, "origins", wanted, problems, Origin::parse);
    let wanted = "addresses like \"127.0.0.1\" or \"10.0.0.0/8\"";
    policy.proxies = read_list(http, "proxies", wanted, problems, Network::parse);
    policy.prefix = read_prefix(http, problems);
}

/// Reads `prefix`. Each segment must be a valid camera name, which excludes weir's own paths
/// (`api`, `healthz`, `metrics`).
fn read_prefix(http: &mut TomlSection, problems: &mut Problems) -> String {
    let text = match http.text("prefix") {
        Ok(None) => return String::new(),
        Ok(Some(text)) => text,
        Err(At { value, offset }) => {
            problems.note(offset, Severity::Warning, value);
            return String::new();
        }
    };
    let path = text.value.strip_suffix('/').unwrap_or(text.value);
    let is_path = |rest: &str| rest.split('/').all(|name| super::name_problem(name).is_none());
    let is_good =
        path.len() <= HTTP_PREFIX_BYTES_MAX && path.strip_prefix('/').is_some_and(is_path);
    if is_good || path.is_empty() {
        return path.to_owned();
    }
    let message = "`prefix` in [http] is not a path like \"/weir\"".to_owned();
    problems.note(text.offset, Severity::Warning, message);
    String::new()
}

/// Warns when the first segment of `prefix` is the name of a camera: behind a proxy that strips
/// `prefix`, the camera's path could not be told from weir's own.
pub(super) fn check_prefix(config: &Config, root: &mut TomlSection, problems: &mut Problems) {
    let first = config.access.prefix.split('/').nth(1);
    if let Some(camera) = config.cameras.iter().find(|camera| Some(&*camera.name) == first) {
        let offset = root.value("http").map_or(0, |value| value.span().start);
        let name = &camera.name;
        let message = format!("`prefix` in [http] begins with the name of a camera, {name}");
        problems.note(offset, Severity::Warning, message);
    }
}

/// Reads a list of strings, at most [`HTTP_NAMES_MAX`] of at most [`HTTP_NAME_BYTES_MAX`] bytes
/// each. A wrong item is left out and noted.
fn read_list<T>(
    section: &mut TomlSection,
    key: &'static str,
    wanted: &str,
    problems: &mut Problems,
    read: impl Fn(&str) -> Option<T>,
) -> Vec<T> {
    let Some(list) = section.value(key) else { return Vec::new() };
    let offset = list.span().start;
    let DeValue::Array(items) = list.get_ref() else {
        let At { value, offset } = wrong_type("[http]", key, "a list", list.get_ref(), offset);
        problems.note(offset, Severity::Warning, value);
        return Vec::new();
    };
    if items.len() > HTTP_NAMES_MAX {
        let message = format!("`{key}` in [http] has {} items, max {HTTP_NAMES_MAX}", items.len());
        problems.note(offset, Severity::Warning, message);
    }
    let mut good = Vec::new();
    for item in items.iter().take(HTTP_NAMES_MAX) {
        let text = item.get_ref().as_str().filter(|text| !text.is_empty());
        let text = text.filter(|text| text.len() <= HTTP_NAME_BYTES_MAX);
        match text.and_then(&read) {
            Some(item) => good.push(item),
            None => {
                let message = format!("`{key}` in [http] needs {wanted}");
                problems.note(item.span().start, Severity::Warning, message);
            }
        }
    }
    good
}

/// Reads all `[[user]]` and `[[token]]` entries into `policy`.
pub(super) fn read_all(root: &mut TomlSection, policy: &mut Policy, problems: &mut Problems) {
    let offset = root.value("user").or_else(|| root.value("token")).map(|value| value.span().start);
    // Set before any entry is read: a file whose entries are all wrong still requires a login.
    policy.has_accounts = offset.is_some();
    each(root, "user", USERS_MAX, problems, |table, offset, problems| {
        let user = read_user(table, offset, &policy.users, problems)?;
        policy.users.push(user);
        Some(())
    });
    each(root, "token", TOKENS_MAX, problems, |table, offset, problems| {
        let token = read_token(table, offset, &policy.tokens, problems)?;
        policy.tokens.push(token);
        Some(())
    });
    if let Some(offset) = offset.filter(|_| policy.open) {
        let message = "`open` in [http] has no effect: there are users or tokens".to_owned();
        problems.note(offset, Severity::Warning, message);
    }
}

/// Calls `read` for each `[[key]]` table, at most `max` of them; `None` disables the entry.
fn each(
    root: &mut TomlSection,
    key: &'static str,
    max: usize,
    problems: &mut Problems,
    mut read: impl FnMut(&DeTable, usize, &mut Problems) -> Option<()>,
) {
    let Some(list) = root.value(key) else { return };
    let wanted = if key == "user" { "written [[user]]" } else { "written [[token]]" };
    let wrong = |found: &DeValue, offset: usize, problems: &mut Problems| {
        let At { value, offset } = wrong_type("the file", key, wanted, found, offset);
        problems.note(offset, Severity::Warning, value);
    };
    let DeValue::Array(items) = list.get_ref() else {
        return wrong(list.get_ref(), list.span().start, problems);
    };
    for (index, item) in items.iter().enumerate() {
        let offset = item.span().start;
        if index >= max {
            let message = format!("{key} {} of the file, max {max}: it is disabled", index + 1);
            problems.note(offset, Severity::Warning, message);
            continue;
        }
        match item.get_ref() {
            DeValue::Table(table) => {
                if read(table, offset, problems).is_none() {
                    let message = format!("this [[{key}]] is disabled");
                    problems.note(offset, Severity::Warning, message);
                }
            }
            other => wrong(other, offset, problems),
        }
    }
}

fn read_user(
    table: &DeTable,
    offset: usize,
    before: &[User],
    problems: &mut Problems,
) -> Option<User> {
    let mut section = TomlSection::new("[[user]]", table);
    let taken = |name: &str| before.iter().any(|user| user.account.name == name);
    let account = read_account(&mut section, offset, taken, problems);
    let hash = read_text(&mut section, "password", offset, problems);
    let hash = hash.and_then(|text| match PasswordHash::parse(text.value) {
        Ok(hash) => Some(hash),
        Err(problem) => {
            let message = format!("`password` in [[user]] {problem}");
            problems.note(text.offset, Severity::Warning, message);
            None
        }
    });
    section.finish(problems);
    Some(User::new(account?, hash?))
}

fn read_token(
    table: &DeTable,
    offset: usize,
    before: &[Token],
    problems: &mut Problems,
) -> Option<Token> {
    let mut section = TomlSection::new("[[token]]", table);
    let taken = |name: &str| before.iter().any(|token| token.account.name == name);
    let account = read_account(&mut section, offset, taken, problems);
    let hash = read_text(&mut section, "hash", offset, problems);
    let hash = hash.and_then(|text| {
        let hash = TokenHash::parse(text.value);
        if hash.is_none() {
            let message = "`hash` in [[token]] is not what `weir token` prints".to_owned();
            problems.note(text.offset, Severity::Warning, message);
        }
        hash
    });
    section.finish(problems);
    Some(Token { account: account?, hash: hash? })
}

/// Reads `name` and `role`. Both are always read, so that both mistakes are reported at once.
fn read_account(
    section: &mut TomlSection,
    offset: usize,
    is_taken: impl Fn(&str) -> bool,
    problems: &mut Problems,
) -> Option<Account> {
    let name = read_text(section, "name", offset, problems);
    let name = name.and_then(|name| match name_problem(name.value, is_taken) {
        None => Some(name.value.to_owned()),
        Some(problem) => {
            problems.note(name.offset, Severity::Warning, format!("`name` {problem}"));
            None
        }
    });
    let role = read_text(section, "role", offset, problems);
    let role = role.and_then(|role| {
        let known = Role::of(role.value);
        if known.is_none() {
            let message = "`role` is neither \"viewer\" nor \"operator\"".to_owned();
            problems.note(role.offset, Severity::Warning, message);
        }
        known
    });
    Some(Account { name: name?, role: role? })
}

/// Why `name` cannot be the name of a user or token, which appears in headers, pages and the log;
/// `None` if it can.
fn name_problem(name: &str, is_taken: impl Fn(&str) -> bool) -> Option<String> {
    if name.is_empty() {
        Some("is empty".to_owned())
    } else if name.len() > ACCOUNT_NAME_BYTES_MAX {
        Some(format!("is {} bytes long, max {ACCOUNT_NAME_BYTES_MAX}", name.len()))
    } else if name.chars().any(|c| c.is_control() || c == ':') {
        // Basic authentication (RFC 7617) ends the user name at the first colon.
        Some("has a colon or a control character".to_owned())
    } else if is_taken(name) {
        Some("is already another's".to_owned())
    } else {
        None
    }
}

/// Reads a required string; a missing one is noted at `offset`.
fn read_text<'s>(
    section: &mut TomlSection<'s, '_>,
    key: &'static str,
    offset: usize,
    problems: &mut Problems,
) -> Option<At<&'s str>> {
    match section.text(key) {
        Ok(Some(text)) => return Some(text),
        Ok(None) => problems.note(offset, Severity::Warning, format!("`{key}` is missing")),
        Err(At { value, offset }) => problems.note(offset, Severity::Warning, value),
    }
    None
}

#[cfg(test)]
mod tests;
