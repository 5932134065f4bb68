//! The command line as it is written.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Camera-to-browser gateway: RTSP in, WebRTC out, in memory that is counted before it runs.
#[derive(Parser)]
#[command(name = "weir", version = weir::process::version())]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve the cameras of a configuration
    Run(Run),
    /// Name every mistake in a configuration, with line and column
    Check(File),
    /// Print what HTTPS is served with: the certificate's fingerprint, names and dates
    Tls(Run),
    /// Print what memory is for, item by item, and the total
    Memory,
    /// Ask for a user's password and print the line of its hash for weir.toml
    Password,
    /// Make a token for a player and print the line of its hash for weir.toml
    Token,
    /// Print the cameras of a mediamtx.yml or a go2rtc.yaml as a weir.toml, and say what stays behind
    Import(Import),
    /// Serve a camera of weir's own at http://127.0.0.1:8117/
    Demo,
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
