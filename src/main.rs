//! The command line. Exit codes: 0 done, 1 the environment refused, 2 bad usage or configuration.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use log::{error, warn};
use weir::config::{self, Config};

/// Everything that a library allocates comes from one fixed region.
#[global_allocator]
static LIBRARY_HEAP: weir::mem::heap::LibraryHeap = weir::mem::heap::LibraryHeap::new();

const ENVIRONMENT: u8 = 1;
const CONFIGURATION: u8 = 2;

/// Camera-to-browser gateway: RTSP in, WebRTC out, in memory that is counted before it runs.
#[derive(Parser)]
#[command(name = "weir", version = weir::VERSION)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the cameras of a configuration
    Run {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Name every mistake in a configuration, with line and column
    Check {
        /// The configuration file
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Print what memory is for, item by item, and the total
    Memory,
    /// Serve a camera of weir's own at http://127.0.0.1:8117/
    Demo,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { config } => run(&config),
        Command::Check { config } => check(&config),
        Command::Memory => {
            print!("{}", weir::mem::plan::table());
            ExitCode::SUCCESS
        }
        Command::Demo => {
            log_to_stderr();
            serve(Config::demo(0), true)
        }
    }
}

fn run(path: &Path) -> ExitCode {
    log_to_stderr();
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(error) => {
            error!("{}: {error}", path.display());
            return CONFIGURATION.into();
        }
    };
    for problem in &loaded.problems {
        warn!("{}: {problem}", path.display());
    }
    if loaded.is_fatal() {
        error!("{}: not usable", path.display());
        return CONFIGURATION.into();
    }
    serve(loaded.config, false)
}

fn serve(config: Config, demo: bool) -> ExitCode {
    match weir::control::run(config, demo) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!("{error}");
            ENVIRONMENT.into()
        }
    }
}

fn check(path: &Path) -> ExitCode {
    let problems = match config::load(path) {
        Ok(loaded) => loaded.problems,
        Err(error) => {
            eprintln!("{}: {error}", path.display());
            return CONFIGURATION.into();
        }
    };
    for problem in &problems {
        eprintln!("{}: {problem}", path.display());
    }
    if problems.is_empty() {
        println!("{}: good", path.display());
        return ExitCode::SUCCESS;
    }
    CONFIGURATION.into()
}

/// One line an event, without time or colour: the journal adds its own. `RUST_LOG` sets the level.
fn log_to_stderr() {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"))
        .format_timestamp(None)
        .format_target(false)
        .init();
}
