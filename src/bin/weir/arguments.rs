//! The command line as it is written.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use weir::console::Device;
use weir::limits::{
    CONSOLE_BAUD_DEFAULT, CONSOLE_BAUD_MAX, CONSOLE_BAUD_MIN, SELFTEST_CAMERAS_MAX,
    SELFTEST_SECONDS_DEFAULT, SELFTEST_SECONDS_MAX, SELFTEST_SECONDS_MIN, VERIFY_SAMPLE_DEFAULT,
    VERIFY_SECONDS_DEFAULT, VERIFY_SECONDS_MAX, VERIFY_SECONDS_MIN,
};
use weir::verify::{SiteUrl, VerifyLimits, watch_duration};

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
    /// Look at a weir over the network, with real sessions, and say which rules it keeps
    Verify(Box<Verify>),
    /// Measure what this box can carry, with cameras and viewers of weir's own on loopback
    Selftest(Selftest),
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
pub(crate) struct Verify {
    /// Where it is: http://box:8117, or https://box:8443
    #[arg(long, value_name = "URL", value_parser = SiteUrl::parse)]
    pub(crate) url: SiteUrl,
    /// The token of an operator; --token-file and $WEIR_TOKEN keep it out of the list of processes
    #[arg(long, value_name = "TOKEN", conflicts_with = "token_file")]
    pub(crate) token: Option<String>,
    /// A file whose first line is the token
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// SHA-256 of the certificate that is right, as `weir tls` prints it
    #[arg(long, value_name = "SHA256", conflicts_with_all = ["ca", "insecure"])]
    pub(crate) fingerprint: Option<String>,
    /// Certificates of the authorities that may vouch for it, in PEM
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) ca: Option<PathBuf>,
    /// Take any certificate
    #[arg(long)]
    pub(crate) insecure: bool,
    /// How many cameras there must be [default: at least one]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) cameras: Option<usize>,
    /// The build id that must run, or its first 7 digits or more
    #[arg(long, value_name = "ID")]
    pub(crate) expect_build: Option<String>,
    /// How many cameras to have a session with, spread over the list
    #[arg(long, value_name = "NUMBER", default_value_t = VERIFY_SAMPLE_DEFAULT)]
    pub(crate) sample: usize,
    /// Have a session with every camera
    #[arg(long, conflicts_with = "sample")]
    pub(crate) all: bool,
    /// How long each session lasts
    #[arg(long, value_name = "SECONDS", default_value_t = VERIFY_SECONDS_DEFAULT,
        value_parser = clap::value_parser!(u64).range(VERIFY_SECONDS_MIN..=VERIFY_SECONDS_MAX))]
    pub(crate) seconds: u64,
    /// Packets that may be lost
    #[arg(long, value_name = "PERCENT", default_value_t = VerifyLimits::default().loss_percent)]
    pub(crate) loss_percent: f64,
    /// What 95 % of the round trips must keep
    #[arg(long, value_name = "MS", default_value_t = VerifyLimits::default().latency_ms)]
    pub(crate) latency_ms: f64,
    /// Jitter between frames
    #[arg(long, value_name = "MS", default_value_t = VerifyLimits::default().jitter_ms)]
    pub(crate) jitter_ms: f64,
    /// What weir may use of one core
    #[arg(long, value_name = "PERCENT", default_value_t = VerifyLimits::default().cpu_percent)]
    pub(crate) cpu_percent: f64,
    /// Frames of each camera that must come whole
    #[arg(long, value_name = "PERCENT", default_value_t = VerifyLimits::default().frames_percent)]
    pub(crate) frames_percent: f64,
    /// Look each minute for so long: 24h, 90m, 2d. Ends with a summary, by ^C too
    #[arg(long, value_name = "TIME", value_parser = watch_duration)]
    pub(crate) watch: Option<Duration>,
    /// Where --watch keeps a line for each look; 1 MiB, and as much before it in FILE.1
    #[arg(long, value_name = "FILE", default_value = "weir-verify.log")]
    pub(crate) watch_file: PathBuf,
    /// Print JSON in place of the table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Selftest {
    /// How many cameras, each with one viewer
    #[arg(long, value_name = "NUMBER", default_value_t = SELFTEST_CAMERAS_MAX as u64,
        value_parser = clap::value_parser!(u64).range(1..=SELFTEST_CAMERAS_MAX as u64))]
    pub(crate) cameras: u64,
    /// How long to measure
    #[arg(long, value_name = "SECONDS", default_value_t = SELFTEST_SECONDS_DEFAULT,
        value_parser = clap::value_parser!(u64).range(SELFTEST_SECONDS_MIN..=SELFTEST_SECONDS_MAX))]
    pub(crate) seconds: u64,
    /// Print JSON in place of the tables
    #[arg(long)]
    pub(crate) json: bool,
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
