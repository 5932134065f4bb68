//! `weir password` at a terminal: what is typed does not show, with no other program to help.

use std::fs::{File, OpenOptions};
use std::process::{Command, Stdio};

use rustix::termios::{self, LocalModes};

use crate::common::cable::Cable;

const PASSWORD: &str = "correct horse battery";

/// The far side of the cable, as a program has it for its terminal.
fn far_side(cable: &Cable) -> File {
    OpenOptions::new().read(true).write(true).open(&cable.device).expect("a pty")
}

#[test]
fn what_is_typed_does_not_show() {
    let mut cable = Cable::new();
    let terminal = far_side(&cable);
    let shows = || {
        let mode = termios::tcgetattr(&terminal).expect("a terminal");
        mode.local_modes.contains(LocalModes::ECHO)
    };
    assert!(shows(), "a new terminal shows what is typed");
    let side = || Stdio::from(far_side(&cable));
    let mut weir = Command::new(env!("CARGO_BIN_EXE_weir"))
        .arg("password")
        .env("PATH", "/nonexistent")
        .stdin(side())
        .stdout(side())
        .stderr(side())
        .spawn()
        .expect("the weir program runs");
    for prompt in ["Password: ", "Once more: "] {
        cable.sees(prompt);
        assert!(!shows());
        cable.types(PASSWORD);
    }
    cable.sees("password = \"pbkdf2-sha256$");
    assert!(weir.wait().expect("our child").success());
    cable.read();
    assert!(!cable.shown.contains("horse"), "{}", cable.shown);
    assert!(shows(), "as it was before");
}
