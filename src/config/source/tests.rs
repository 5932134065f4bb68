//! What weir starts with, whatever the state of its file.

use std::fs;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("weir-source-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("state")).expect("a folder");
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("weir.toml")
    }

    fn copy(&self) -> PathBuf {
        self.0.join("state/weir.toml.good")
    }

    fn start(&self) -> Started {
        ConfigFile::new(self.file(), StateFolder::at(self.0.join("state"))).start()
    }

    /// Starts, and keeps the text that was used, as `weir run` does.
    fn run(&self) -> Started {
        let started = self.start();
        if let (Some(source), Some(text)) = (&started.source, &started.text) {
            source.keep(text);
        }
        started
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn with_camera(name: &str) -> String {
    format!("config_version = 1\n[[camera]]\nname = \"{name}\"\nurl = \"rtsp://h/\"\n")
}

fn names(started: &Started) -> Vec<&str> {
    started.config.cameras.iter().map(|camera| camera.name.as_str()).collect()
}

#[test]
fn whatever_has_become_of_the_file_the_last_good_one_is_used() {
    let folder = Folder::new("last-good");
    let deep = format!("a = {}{}", "[".repeat(2_000), "]".repeat(2_000));
    let unusable: [(&str, &[u8]); 8] = [
        ("half", b"config_version = 1\n[[camera]]\nname = \"new\"\nurl = \"rts"),
        ("empty", b""),
        ("blank", b"\n# nothing\n"),
        ("zeros", &[0; 4096]),
        ("not UTF-8", b"config_version = 1 # \xff\n"),
        ("nowhere", b"config_version = 1\n[http]\nlisten = \"x\"\n"),
        ("deep", deep.as_bytes()),
        ("long", &[b'#'; CONFIG_BYTES_MAX + 1]),
    ];
    for (what, bytes) in unusable {
        fs::write(folder.file(), with_camera("gate")).expect("written");
        assert_eq!(folder.run().status, ConfigStatus::good());
        fs::write(folder.file(), bytes).expect("written");
        let started = folder.run();
        assert_eq!(
            (names(&started), started.status.origin),
            (vec!["gate"], ConfigOrigin::LastGood)
        );
        assert_eq!(started.status.problems.len(), 1, "{what}");
        assert_eq!(fs::read_to_string(folder.copy()).expect("kept"), with_camera("gate"), "{what}");
    }
    fs::remove_file(folder.file()).expect("there");
    assert_eq!(folder.run().status.origin, ConfigOrigin::LastGood);
    fs::create_dir(folder.file()).expect("a folder in its place");
    assert_eq!(folder.run().status.origin, ConfigOrigin::LastGood);
}

#[test]
fn without_a_last_good_one_the_defaults_are_used() {
    let folder = Folder::new("defaults");
    let defaults = |folder: &Folder| {
        let started = folder.run();
        assert_eq!(started.config, Config::default());
        assert_eq!(started.status.origin, ConfigOrigin::Defaults);
        assert!(started.text.is_none());
    };
    defaults(&folder);
    fs::write(folder.file(), "config_version = [").expect("written");
    defaults(&folder);
    // Not a copy that weir wrote.
    fs::write(folder.copy(), "]").expect("written");
    defaults(&folder);
    fs::write(folder.copy(), vec![b'#'; CONFIG_BYTES_MAX + 1]).expect("written");
    defaults(&folder);
}

#[test]
fn a_file_with_mistakes_is_used_and_kept() {
    let folder = Folder::new("mistakes");
    let bad = "[[camera]]\nname = \"bad\"\nurl = \"http://h/\"\n";
    let text = format!("{}{bad}x = 1\n", with_camera("gate"));
    fs::write(folder.file(), &text).expect("written");
    let started = folder.run();
    assert_eq!(names(&started), ["gate", "bad"]);
    assert_eq!(started.status.origin, ConfigOrigin::Warnings);
    let expected = [
        "line 7, column 7: camera bad: `url` does not begin with rtsp:// or rtsps://",
        "line 8, column 1: unknown key `x` in [[camera]]",
    ];
    assert_eq!(started.status.problems, expected);
    let reason = started.config.cameras[1].problem.as_deref();
    assert_eq!(reason, Some("line 7, column 7: `url` does not begin with rtsp:// or rtsps://"));
    assert_eq!(fs::read_to_string(folder.copy()).expect("kept"), text);
}

#[test]
fn a_login_beside_the_file_serves_its_copy_too_and_a_lost_one_costs_its_camera() {
    let folder = Folder::new("login");
    fs::write(folder.0.join("secret"), "hunter2").expect("written");
    let login = "user = \"u\"\npassword_file = \"secret\"\n";
    fs::write(folder.file(), with_camera("gate") + login).expect("written");
    assert_eq!(folder.run().status.origin, ConfigOrigin::Good);
    fs::write(folder.file(), "=").expect("written");
    let started = folder.run();
    assert_eq!(started.config.cameras[0].password.reveal(), "hunter2");
    fs::remove_file(folder.0.join("secret")).expect("there");
    let started = folder.run();
    assert_eq!(started.status.origin, ConfigOrigin::LastGood);
    let reason = started.config.cameras[0].problem.as_deref().expect("no password");
    assert!(reason.starts_with("line 6, column 17: `password_file` cannot be read: "), "{reason}");
    assert!(!reason.contains("secret:"), "{reason}");
}

#[test]
fn mistakes_are_bounded_in_number_and_length() {
    let long = "k".repeat(1_000);
    let keys: String = (0..1_000).map(|number| format!("{long}{number} = 1\n")).collect();
    let text = format!("config_version = 1\n{}", &keys[..CONFIG_BYTES_MAX / 2]);
    let text = &text[..=text.rfind('\n').expect("lines")];
    let many: String = (0..900).map(|number| format!("k{number} = 1\n")).collect();
    let loaded = parse(text, Path::new(""));
    assert!(!loaded.is_fatal());
    assert!(loaded.problems.iter().all(|problem| problem.message.chars().count() < 250));
    let loaded = parse(&format!("config_version = 1\n{many}"), Path::new(""));
    assert_eq!(loaded.problems.len() + loaded.unnamed_problems, 900);
    let problems = ConfigStatus::of(&loaded).problems;
    assert_eq!(problems.len(), CONFIG_PROBLEMS_SHOWN + 1);
    assert_eq!(
        problems[CONFIG_PROBLEMS_SHOWN],
        format!("and {} more", 900 - CONFIG_PROBLEMS_SHOWN)
    );
}
