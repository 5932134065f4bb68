//! The command line as it is written.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use weir::console::Device;
use weir::limits::{CONSOLE_BAUD_DEFAULT, CONSOLE_BAUD_MAX, CONSOLE_BAUD_MIN};

/// Camera-to-browser gateway: RTSP in, WebRTC out, in a fixed memory budget.
#[derive(Parser)]
#[command(name = "weir", version = weir::process::version())]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve the cameras of a configuration
    Run(Serve),
    /// Open the console of a weir that runs on this machine, or run one command
    Console(Console),
    /// Name every mistake in a configuration, with line and column
    Check(File),
    /// Print what HTTPS is served with: the certificate's fingerprint, names and dates
    Tls(Run),
    /// Print the memory plan, item by item, with its total
    Memory,
    /// Ask for a user's password and print the line of its hash for weir.toml
    Password,
    /// Make a token for a player and print the line of its hash for weir.toml
    Token,
    /// Print the cameras of a mediamtx.yml or a go2rtc.yaml as a weir.toml, and say what stays
    /// behind
    Import(Import),
    /// Serve a camera of weir's own at http://127.0.0.1:8117/
    Demo,
}

#[derive(Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) run: Run,
    /// The serial line to answer on, in place of the one in the configuration
    #[arg(long, value_name = "DEVICE[,BAUD]", value_parser = device)]
    pub(crate) console: Option<Device>,
}

#[derive(Args)]
pub(crate) struct Console {
    /// The configuration file of the weir that is meant
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Its folder [default: $STATE_DIRECTORY, else the folder of the configuration file, else
    /// /var/lib/weir]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state: Option<PathBuf>,
    /// What to ask, like `status --json`; `help` names it all. Without one it is a terminal
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) file: File,
    /// The folder for what weir keeps over a restart [default: $STATE_DIRECTORY, else the folder of
    /// the configuration file]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Import {
    /// The other program's configuration
    pub(crate) file: PathBuf,
    /// Whose it is [default: what its content tells]
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) from: Option<Program>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Program {
    Mediamtx,
    Go2rtc,
}

#[derive(Args)]
pub(crate) struct File {
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// `/dev/ttyS0` or, as the kernel writes it, `/dev/ttyS0,115200`.
fn device(text: &str) -> Result<Device, String> {
    let (path, baud) = match text.split_once(',') {
        None => (text, Some(CONSOLE_BAUD_DEFAULT)),
        Some((path, baud)) => (path, baud.parse().ok()),
    };
    let is_speed = |baud: &u32| (CONSOLE_BAUD_MIN..=CONSOLE_BAUD_MAX).contains(&(*baud as usize));
    let baud = baud.filter(is_speed);
    let no_speed = || format!("the speed is none of {CONSOLE_BAUD_MIN} to {CONSOLE_BAUD_MAX}");
    Ok(Device { path: PathBuf::from(path), baud: baud.ok_or_else(no_speed)? })
}
