//! Users and tokens with mistakes: which entries are disabled, and that no mistake grants access.

use std::path::Path;

use super::*;
use crate::config::{Loaded, parse};

const HASH: &str =
    "pbkdf2-sha256$600000$MDEyMzQ1Njc4OWFiY2RlZg$R4DtQ4mdeOPjQVafZIfXfiZwNqo6bjkgxGgW6Dvlm/0";
const DIGEST: &str = "sha256$ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// The policy of a file with these lines after its first, and its problems as they are printed.
fn read(text: &str) -> (Policy, Vec<String>) {
    let Loaded { config, problems, .. } =
        parse(&format!("config_version = 1\n{text}"), Path::new("/nonexistent"));
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    (Policy::clone(&config.access), problems)
}

fn user(name: &str, role: &str, password: &str) -> String {
    format!("[[user]]\nname = \"{name}\"\nrole = \"{role}\"\npassword = \"{password}\"\n")
}

#[test]
fn a_good_file_says_who_is_let_in() {
    let http = "[http]\nopen = false\nnames = [\"Gate.example\"]\nlogin_hours = 12\n\
                origins = [\"https://portal.example\", \"http://[::1]:80\"]\n";
    let token = format!("[[token]]\nname = \"wall\"\nrole = \"viewer\"\nhash = \"{DIGEST}\"\n");
    let (policy, problems) = read(&format!(
        "{http}{}{}{token}",
        user("anna", "operator", HASH),
        user("bert", "viewer", HASH)
    ));
    assert_eq!(problems, [""; 0]);
    assert!(policy.has_accounts);
    assert_eq!(policy.user("anna").expect("anna").account.role, Role::Operator);
    assert_eq!(policy.user("bert").expect("bert").account.role, Role::Viewer);
    assert_ne!(policy.users[0].fingerprint(), policy.users[1].fingerprint());
    assert_eq!(policy.token("abc").expect("the wall").name, "wall");
    assert!(policy.token("abd").is_none());
    assert_eq!(policy.names, ["gate.example"]);
    assert_eq!(policy.login_hours, 12);
    assert!(policy.origins[1].allows("http://[::1]"));
    assert!(!format!("{policy:?}").contains("R4DtQ4md"), "no hash in Debug output");
}

#[test]
fn each_mistake_disables_its_entry_and_opens_nothing() {
    let few = HASH.replace("600000", "1000");
    let long = "n".repeat(65);
    for (text, expected) in [
        (
            user("a", "admin", HASH),
            "line 4, column 8: `role` is neither \"viewer\" nor \"operator\"",
        ),
        (user("", "viewer", HASH), "line 3, column 8: `name` is empty"),
        (user(&long, "viewer", HASH), "line 3, column 8: `name` is 65 bytes long, max 64"),
        (
            user("a:b", "viewer", HASH),
            "line 3, column 8: `name` has a colon or a control character",
        ),
        (
            user("a", "viewer", "hunter2"),
            "line 5, column 12: `password` in [[user]] is not what `weir password` prints",
        ),
        (
            user("a", "viewer", &few),
            "line 5, column 12: `password` in [[user]] has 1000 rounds, not 600000 to 10000000",
        ),
        (
            format!(
                "[[user]]\nname = \"a\"\nrole = \"viewer\"\npassword = 1\npasword = \"{HASH}\"\n"
            ),
            "line 5, column 12: `password` in [[user]] must be a string, not a whole number",
        ),
        (
            "[[token]]\nname = \"a\"\nrole = \"viewer\"\nhash = \"abc\"\n".to_owned(),
            "line 5, column 8: `hash` in [[token]] is not what `weir token` prints",
        ),
        ("user = []\n".to_owned(), ""),
        (
            "[user]\nname = \"a\"\n".to_owned(),
            "line 2, column 1: `user` in the file must be written [[user]], not a table",
        ),
        (
            "token = 1\n".to_owned(),
            "line 2, column 9: `token` in the file must be written [[token]], not a whole number",
        ),
        (
            "user = [1]\n".to_owned(),
            "line 2, column 9: `user` in the file must be written [[user]], not a whole number",
        ),
    ] {
        let (policy, problems) = read(&text);
        let names_it = problems.iter().any(|problem| problem == expected);
        assert!(names_it || expected.is_empty(), "{text}: {problems:?}");
        assert!(policy.users.is_empty() && policy.tokens.is_empty(), "{text}");
        assert!(policy.has_accounts, "{text}");
        assert!(!problems.concat().contains("hunter2"), "{problems:?}");
    }
}

#[test]
fn a_bad_user_leaves_the_good_ones() {
    let good = user("anna", "operator", HASH);
    let (policy, problems) = read(&format!("{good}[[user]]\nname = \"bert\"\n{good}"));
    assert_eq!(policy.users.len(), 1);
    assert_eq!(
        problems,
        [
            "line 6, column 1: `role` is missing",
            "line 6, column 1: `password` is missing",
            "line 6, column 1: this [[user]] is disabled",
            "line 8, column 1: this [[user]] is disabled",
            "line 9, column 8: `name` is already another's",
        ]
    );
}

#[test]
fn there_are_as_many_as_the_bound_and_no_more() {
    let text: String =
        (0..=USERS_MAX).map(|number| user(&number.to_string(), "viewer", HASH)).collect();
    let (policy, problems) = read(&text);
    assert_eq!(policy.users.len(), USERS_MAX);
    assert_eq!(problems, ["line 130, column 1: user 33 of the file, max 32: it is disabled"]);
}

#[test]
fn what_http_says_about_it_is_read_as_far_as_it_is_right() {
    for (text, expected) in [
        (
            "open = 1",
            "line 3, column 8: `open` in [http] must be true or false, not a whole number",
        ),
        ("names = \"a\"", "line 3, column 9: `names` in [http] must be a list, not a string"),
        (
            "names = [\"a b\"]",
            "line 3, column 10: `names` in [http] needs names like \"gate.example\"",
        ),
        (
            "origins = [\"portal.example\"]",
            "line 3, column 12: `origins` in [http] needs sites like \"https://portal.example\", or \
             \"*\"",
        ),
        ("login_hours = 0", "line 3, column 15: `login_hours` in [http] is 0, not in 1 to 8760"),
    ] {
        let (policy, problems) = read(&format!("[http]\n{text}\n"));
        assert_eq!(problems, [expected]);
        assert_eq!(policy, Policy::default());
    }
    let (policy, problems) = read("[http]\nopen = true\nnames = [\"a.b\", 1]\norigins = [\"*\"]\n");
    assert_eq!((policy.open, policy.has_accounts, problems.len()), (true, false, 1));
    assert_eq!((policy.names.len(), policy.origins.len()), (1, 1));
    let many = format!("[http]\nnames = [{}]\n", "\"a.b\", ".repeat(HTTP_NAMES_MAX + 1));
    let (policy, problems) = read(&many);
    assert_eq!(policy.names.len(), HTTP_NAMES_MAX);
    assert_eq!(problems, ["line 3, column 9: `names` in [http] has 17 items, max 16"]);
}

#[test]
fn open_with_users_is_a_contradiction() {
    let (policy, problems) = read(&format!("[http]\nopen = true\n{}", user("a", "viewer", HASH)));
    assert!(policy.has_accounts);
    let expected = "line 4, column 1: `open` in [http] has no effect: there are users or tokens";
    assert_eq!(problems, [expected]);
}

#[test]
fn proxies_and_the_path_below_which_weir_is_served() {
    let (policy, problems) = read(
        "[http]\nproxies = [\"127.0.0.1\", \"::1\", \"10.0.0.0/8\"]\nprefix = \"/cams/weir/\"\n",
    );
    assert_eq!((problems, &*policy.prefix), (Vec::new(), "/cams/weir"));
    let is_proxy = |ip: &str| policy.is_proxy(ip.parse().expect("an address"));
    assert!(is_proxy("127.0.0.1") && is_proxy("::1") && is_proxy("10.3.2.1"));
    assert!(!is_proxy("127.0.0.2") && !is_proxy("192.0.2.1"));
    let (policy, problems) = read("[http]\nprefix = \"/\"\n");
    assert_eq!((problems, &*policy.prefix), (Vec::new(), ""));
    assert!(!policy.is_proxy("127.0.0.1".parse().expect("an address")), "none by default");
    let long = format!("\"/{}\"", ["name"; 40].join("/"));
    for prefix in
        ["\"weir\"", "\"/api\"", "\"/-/x\"", "\"/a b\"", "\"/../x\"", "\"//x\"", "7", &long]
    {
        let (policy, problems) = read(&format!("[http]\nprefix = {prefix}\n"));
        assert_eq!((problems.len(), &*policy.prefix), (1, ""), "{prefix}: {problems:?}");
    }
    for proxies in ["\"127.0.0.1\"", "[\"0.0.0.0/0\"]", "[\"localhost\"]", "[7]"] {
        let (policy, problems) = read(&format!("[http]\nproxies = {proxies}\n"));
        assert_eq!((problems.len(), policy.proxies.len()), (1, 0), "{proxies}: {problems:?}");
    }
    let many = vec!["\"192.0.2.1\""; HTTP_NAMES_MAX + 1].join(",");
    let (policy, problems) = read(&format!("[http]\nproxies = [{many}]\n"));
    assert_eq!((problems.len(), policy.proxies.len()), (1, HTTP_NAMES_MAX), "{problems:?}");
}

#[test]
fn a_path_that_a_camera_has_is_no_good_prefix() {
    let file =
        "[http]\nprefix = \"/gate/weir\"\n[[camera]]\nname = \"gate\"\nurl = \"rtsp://h/1\"\n";
    let (_, problems) = read(file);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("`prefix` in [http] begins with the name of a camera, gate"));
    assert!(read(&file.replace("/gate/weir", "/weir/gate")).1.is_empty());
}
