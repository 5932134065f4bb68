//! Files with mistakes, and where they are.

use super::*;
use crate::limits::CONFIG_BYTES_MAX;
use crate::rtsp::CameraUrl;

const GOOD: &str = r#"
config_version = 1
[http]
listen = "127.0.0.1:80"
[webrtc]
listen = "[::]:8118"
announce = ["192.0.2.10:8118"]
payload_bytes = 1400
resend = false
[diagnostics]
listen = "127.0.0.1:9999"
[[camera]]
name = "gate"
url = "rtsp://192.0.2.7/stream1"
user = "viewer"
password = "hunter2"
[[camera]]
name = "yard-2.sub"
url = "rtsp://admin:se%3Acret@cam.example:554/h264"
"#;

fn parsed(text: &str) -> Loaded {
    parse(text, Path::new("/nonexistent"))
}

/// The problems of `text`, as `weir check` prints them.
fn printed(text: &str) -> Vec<String> {
    let problems = parsed(text).problems;
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_good_file_has_no_problems_and_means_what_it_says() {
    let Loaded { config, problems, .. } = parsed(GOOD);
    assert_eq!(problems, []);
    assert_eq!(config.http.listen, "127.0.0.1:80".parse().expect("address"));
    assert_eq!(config.webrtc.payload_bytes, 1400);
    assert!(!config.webrtc.resend);
    assert_eq!(config.webrtc.announce.len(), 1);
    let [gate, yard] = &config.cameras[..] else { panic!("{:?}", config.cameras) };
    assert_eq!(gate.user.as_deref(), Some("viewer"));
    assert_eq!(gate.password.reveal(), "hunter2");
    let url = yard.url.as_ref().map(CameraUrl::reveal);
    assert_eq!(url, Some("rtsp://cam.example:554/h264"));
    assert_eq!(yard.user.as_deref(), Some("admin"));
    assert_eq!(yard.password.reveal(), "se:cret");
    assert!(!format!("{config:?}").contains("cret:"));
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn an_almost_empty_file_is_the_defaults() {
    let Loaded { config, problems, .. } = parsed("config_version = 1\n");
    assert_eq!(problems, []);
    assert_eq!(config, Config::default());
    assert_eq!(config.http.listen.to_string(), "[::]:8117");
}

#[test]
fn each_mistake_outside_cameras_is_named_with_its_place() {
    let head = "config_version = 1\n";
    for (text, expected) in [
        ("[http]\nlissen = 1\n", "line 3, column 1: unknown key `lissen` in [http]"),
        ("[htpp]\n", "line 2, column 2: unknown key `htpp` in the file"),
        (
            "[http]\nlisten = \"8117\"\n",
            "line 3, column 10: `listen` in [http] is not an address and port, like \"[::]:8117\"",
        ),
        (
            "[http]\nlisten = 8117\n",
            "line 3, column 10: `listen` in [http] must be a string, not a whole number",
        ),
        ("http = 1\n", "line 2, column 8: `http` in the file must be a table, not a whole number"),
        (
            "[webrtc]\npayload_bytes = 1401\n",
            "line 3, column 17: `payload_bytes` in [webrtc] is 1401, not in 500 to 1400",
        ),
        (
            "[webrtc]\npayload_bytes = -1\n",
            "line 3, column 17: `payload_bytes` in [webrtc] is -1, not in 500 to 1400",
        ),
        (
            "[webrtc]\npayload_bytes = \"1200\"\n",
            "line 3, column 17: `payload_bytes` in [webrtc] must be a whole number, not a string",
        ),
        (
            "[webrtc]\nresend = 1\n",
            "line 3, column 10: `resend` in [webrtc] must be true or false, not a whole number",
        ),
        (
            "[webrtc]\nannounce = [\"192.0.2.1:1\", \"0.0.0.0:8118\"]\n",
            "line 3, column 28: `announce` in [webrtc] needs addresses a browser can reach, like \
             \"192.0.2.10:8118\"",
        ),
        (
            "[webrtc]\nannounce = \"192.0.2.1:1\"\n",
            "line 3, column 12: `announce` in [webrtc] must be a list, not a string",
        ),
    ] {
        assert_eq!(printed(&format!("{head}{text}")), [expected], "{text}");
    }
    assert_eq!(printed("[http]\n"), ["line 1, column 1: `config_version = 1` is missing"]);
    assert_eq!(
        printed("config_version = 2\n"),
        ["line 1, column 18: `config_version` in the file is 2, not in 1 to 1"]
    );
}

#[test]
fn each_mistake_in_a_camera_disables_it_and_no_other() {
    let long = "n".repeat(65);
    let long_name = format!("name = \"{long}\"\nurl = \"rtsp://h/\"");
    let good = "name = \"a\"\nurl = \"rtsp://h/\"";
    let with = |line: &str| format!("{good}\n{line}");
    for (body, line, column, expected) in [
        (
            "name = \"a b\"\nurl = \"rtsp://h/\"",
            6,
            8,
            "`name` has a character other than A-Z a-z 0-9 . _ -",
        ),
        (&long_name, 6, 8, "`name` is 65 bytes long, max 64"),
        ("name = \"\"\nurl = \"rtsp://h/\"", 6, 8, "`name` is empty"),
        ("name = \"-x\"\nurl = \"rtsp://h/\"", 6, 8, "`name` begins with -"),
        ("name = \"..\"\nurl = \"rtsp://h/\"", 6, 8, "`name` is nothing but dots"),
        ("name = \"api\"\nurl = \"rtsp://h/\"", 6, 8, "`name` is reserved"),
        ("name = \"metrics\"\nurl = \"rtsp://h/\"", 6, 8, "`name` is reserved"),
        (
            "name = \"first\"\nurl = \"rtsp://h/\"",
            6,
            8,
            "`name` \"first\" is already another camera's",
        ),
        (
            "name = 7\nurl = \"rtsp://h/\"",
            6,
            8,
            "`name` in [[camera]] must be a string, not a whole number",
        ),
        ("url = \"rtsp://h/\"", 5, 1, "`name` is missing"),
        ("name = \"a\"", 5, 1, "`url` is missing"),
        ("name = \"a\"\nurl = \"ftp://h/\"", 7, 7, "`url` does not begin with rtsp:// or rtsps://"),
        ("name = \"a\"\nurl = \"rtsp:///x\"", 7, 7, "`url` has no host"),
        ("name = \"a\"\nurl = \"rtsp://u:p@/x\"", 7, 7, "`url` has no host"),
        ("name = \"a\"\nurl = \"rtsp://h:0/x\"", 7, 7, "`url` has a bad port, not in 1 to 65535"),
        ("name = \"a\"\nurl = \"rtsp://[::g]/x\"", 7, 7, "`url` has a bad host name or address"),
        (
            "name = \"a\"\nurl = \"rtsp://h/ x\"",
            7,
            7,
            "`url` has a space or a control character in it (byte 0x20)",
        ),
        (&with("password = \"x\""), 5, 1, "there is a password but no `user`"),
        (
            &with("user = \"u\"\npassword = \"x\"\npassword_file = \"p\""),
            10,
            17,
            "there is both `password` and `password_file`",
        ),
        (&with("user = \"u\\n\""), 8, 8, "`user` has a control character"),
        (
            &with("user = \"u\"\npassword_file = \"no\""),
            9,
            17,
            "`password_file` cannot be read: No such file or directory (os error 2)",
        ),
    ] {
        let text = format!(
            "config_version = 1\n[[camera]]\nname = \"first\"\nurl = \"rtsp://h/\"\n\
             [[camera]]\n{body}\n[[camera]]\nname = \"last\"\nurl = \"rtsp://h/\"\n"
        );
        let Loaded { config, problems, .. } = parsed(&text);
        let place: Vec<_> = problems.iter().map(|p| (p.line, p.column, p.severity)).collect();
        assert_eq!(place, [(line, column, Severity::Camera)], "{body}: {problems:?}");
        assert!(problems[0].message.ends_with(&format!(": {expected}")), "{problems:?}");
        let reason = Some(format!("line {line}, column {column}: {expected}"));
        assert_eq!(config.cameras[1].problem, reason);
        assert!(config.cameras[0].problem.is_none() && config.cameras[2].problem.is_none());
        assert_eq!(config.cameras[2].name, "last");
    }
}

#[test]
fn a_syntax_error_is_fatal_and_does_not_quote_the_line() {
    let loaded = parsed("config_version = 1\n[[camera]]\npassword = \"hunter2\" x\n");
    assert!(loaded.is_fatal());
    let message = loaded.problems[0].to_string();
    assert!(message.starts_with("line 3, column 22: "), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
    assert!(parsed("[http]\nlisten = \"x\"").is_fatal());
    assert!(!parsed("[http]\nx = 1\n[[camera]]\n").is_fatal());
}

#[test]
fn one_camera_too_many_is_named_with_value_and_limit() {
    let mut text = "config_version = 1\n".to_owned();
    for number in 0..=CAMERAS_MAX {
        text += &format!("[[camera]]\nname = \"c{number}\"\nurl = \"rtsp://h/\"\n");
    }
    let Loaded { config, problems, .. } = parsed(&text);
    assert_eq!(config.cameras.len(), CAMERAS_MAX);
    let expected = format!(
        "line {}, column 1: camera {} of the file, max {CAMERAS_MAX} in this build",
        2 + 3 * CAMERAS_MAX,
        CAMERAS_MAX + 1
    );
    let printed: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(printed, [expected]);
}

#[test]
fn a_password_file_is_read_from_beside_the_configuration() {
    let directory = std::env::temp_dir().join(format!("weir-config-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("directory");
    std::fs::write(directory.join("secret"), "hunter2\n").expect("secret");
    let text = "config_version = 1\n[[camera]]\nname = \"a\"\nurl = \"rtsp://h/\"\n\
                user = \"u\"\npassword_file = \"secret\"\n";
    std::fs::write(directory.join("weir.toml"), text).expect("configuration");
    let loaded = load(&directory.join("weir.toml")).expect("readable");
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.config.cameras[0].password.reveal(), "hunter2");
    std::fs::write(directory.join("secret"), "x".repeat(300)).expect("secret");
    let loaded = load(&directory.join("weir.toml")).expect("readable");
    let problem = loaded.config.cameras[0].problem.as_deref();
    assert_eq!(problem, Some("line 6, column 17: `password_file` is 262 bytes long, max 256"));
    std::fs::write(directory.join("weir.toml"), "#".repeat(CONFIG_BYTES_MAX + 1)).expect("big");
    assert!(load(&directory.join("weir.toml")).is_err());
    std::fs::remove_dir_all(&directory).expect("removed");
}

#[test]
fn a_user_to_become_is_a_name_or_nothing_at_all() {
    let Loaded { config, problems, .. } =
        parsed("config_version = 1\n[process]\nuser = \"weir\"\n");
    assert_eq!(problems, []);
    assert_eq!(config.process.user.as_deref(), Some("weir"));
    assert_eq!(parsed(GOOD).config.process.user, None);
    // If it were taken for no user at all, weir might stay root.
    assert!(parsed("config_version = 1\n[process]\nuser = 1000\n").is_fatal());
}
