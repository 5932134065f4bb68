//! The command line. Exit codes: 0 done, 1 the environment refused, 2 bad usage or configuration.

mod arguments;
mod credentials;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use log::{error, warn};
use weir::config::{self, Config, Loaded, StateFolder};
use weir::control::Start;

use arguments::{Arguments, Command, Run};

/// Everything that a library allocates comes from one fixed region.
#[global_allocator]
static LIBRARY_HEAP: weir::mem::heap::LibraryHeap = weir::mem::heap::LibraryHeap::new();

const ENVIRONMENT: u8 = 1;
const CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => run(arguments),
        Command::Check(file) => check(&file.config),
        Command::Memory => {
            print!("{}", weir::mem::plan::table());
            Ok(())
        }
        Command::Password => credentials::password().map_err(|why| {
            eprintln!("{why}");
            CONFIGURATION
        }),
        Command::Token => {
            credentials::token();
            Ok(())
        }
        Command::Demo => {
            log_to_stderr();
            serve(Start { config: Config::demo(0), state: StateFolder::none(), is_demo: true })
        }
    };
    done.map_or_else(ExitCode::from, |()| ExitCode::SUCCESS)
}

fn run(Run { file, state }: Run) -> Result<(), u8> {
    log_to_stderr();
    let path = &file.config;
    let loaded = load(path)?;
    for problem in &loaded.problems {
        warn!("{}: {problem}", path.display());
    }
    if loaded.is_fatal() {
        error!("{}: not usable", path.display());
        return Err(CONFIGURATION);
    }
    let state = StateFolder::beside(path, state);
    serve(Start { config: loaded.config, state, is_demo: false })
}

fn serve(start: Start) -> Result<(), u8> {
    weir::control::run(start).map_err(|error| {
        error!("{error}");
        ENVIRONMENT
    })
}

fn check(path: &Path) -> Result<(), u8> {
    let loaded = load(path)?;
    for problem in &loaded.problems {
        eprintln!("{}: {problem}", path.display());
    }
    if !loaded.problems.is_empty() {
        return Err(CONFIGURATION);
    }
    println!("{}: good", path.display());
    Ok(())
}

fn load(path: &Path) -> Result<Loaded, u8> {
    config::load(path).map_err(|error| {
        eprintln!("{}: {error}", path.display());
        CONFIGURATION
    })
}

/// One line an event, without time or colour: the journal adds its own. `RUST_LOG` sets the level.
fn log_to_stderr() {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info"))
        .format_timestamp(None)
        .format_target(false)
        .init();
}
