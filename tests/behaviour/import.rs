//! `weir import` of another program's file: what it prints is a configuration, what it says keeps
//! its secrets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn weir(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir")).args(arguments).output().expect("weir runs")
}

fn example(name: &str) -> String {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import");
    data.join(name).to_str().expect("UTF-8").to_owned()
}

/// A file of its own in the temporary folder, gone with the value.
struct Written(PathBuf);

impl Written {
    fn new(name: &str, text: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("weir-import-{}-{name}", std::process::id()));
        fs::write(&path, text).expect("a writable temporary folder");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn what_is_printed_is_good_and_what_is_said_has_no_secret() {
    for (name, kind, cameras) in
        [("mediamtx.yml", "mediamtx", "3 of 10"), ("go2rtc.yaml", "go2rtc", "6 of 13")]
    {
        let output = weir(&["import", &example(name)]);
        let said = text(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(!said.contains("secret"), "{said}");
        assert!(said.contains(&format!("{cameras} cameras taken over from {kind}")), "{said}");
        let written = Written::new(name, &output.stdout);
        let checked = weir(&["check", "--config", written.path()]);
        assert!(checked.status.success(), "{}\n{}", text(&checked.stderr), text(&output.stdout));
        let forced = weir(&["import", "--from", kind, &example(name)]);
        assert_eq!(forced.stdout, output.stdout);
    }
}

#[test]
fn what_cannot_be_taken_over_prints_nothing_and_fails() {
    let torn = Written::new("torn.yml", b"streams: [rtsp://u:hunter2@192.0.2.7/\npaths: }");
    let output = weir(&["import", torn.path()]);
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
    assert!(said.contains("line 2, column ") && !said.contains("hunter2"), "{said}");

    let other = Written::new("other.yml", b"streams:\n  gate: rtmp://u:hunter2@192.0.2.7/\n");
    let output = weir(&["import", other.path()]);
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
    assert!(said.contains("gate: not taken over: ") && !said.contains("hunter2"), "{said}");

    let large = Written::new("large.yml", &vec![b'#'; weir::limits::IMPORT_BYTES_MAX + 1]);
    let output = weir(&["import", large.path()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("more than 262144 bytes"));
}

/// The program's own heap is small, and a file as large as may be must fit it.
#[test]
fn the_largest_file_fits_the_heap() {
    let bytes_max = weir::limits::IMPORT_BYTES_MAX;
    let mut many = "streams: &all\n".to_owned();
    for number in 0..4000 {
        many.push_str(&format!("  \"{number:040}\\u0021\": &a{number} rtmp:\n"));
    }
    let deep = format!("streams:\n{}", "- ".repeat(bytes_max / 2 - 8));
    let long = format!("streams: {{a: \"{}\"}}", "\\n".repeat(bytes_max / 2 - 32));
    for (name, file) in [("many.yml", many), ("deep.yml", deep), ("long.yml", long)] {
        assert!(file.len() <= bytes_max, "{name} {}", file.len());
        let written = Written::new(name, file.as_bytes());
        let output = weir(&["import", written.path()]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {}", &said[..said.len().min(500)]);
    }
}
