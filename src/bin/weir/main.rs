//! The command line. Exit codes: 0 done, 1 the environment refused, 2 bad usage or configuration,
//! 3 a panic or an exhausted library heap.

mod arguments;
mod console;
mod import;
mod password;
mod selftest;
mod tls;
mod typing;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use log::error;
use weir::config::{self, Config, ConfigFile, Loaded, Started};
use weir::daemon::Start;
use weir::journal;
use weir::process::panic_report;
use weir::storage::StateFolder;

use arguments::{Arguments, Command, Run, Serve};

/// Everything that a library allocates comes from one fixed region.
#[global_allocator]
static LIBRARY_HEAP: weir::mem::heap::LibraryHeap = weir::mem::heap::LibraryHeap;

const ENVIRONMENT: u8 = 1;
const CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    panic_report::prepare();
    let done = match Arguments::parse().command {
        Command::Run(arguments) => run(arguments),
        Command::Console(arguments) => console::run(arguments),
        Command::Check(file) => check(&file.config),
        Command::Tls(arguments) => tls::show(arguments),
        Command::Memory => {
            print!("{}", weir::plan::table());
            Ok(())
        }
        Command::Password => password::password().map_err(|why| {
            eprintln!("{why}");
            CONFIGURATION
        }),
        Command::Token => {
            password::token();
            Ok(())
        }
        Command::Import(arguments) => import::import(&arguments),
        Command::Verify(arguments) => verify::run(*arguments),
        Command::Selftest(arguments) => selftest::run(&arguments),
        Command::Demo => {
            journal::to_stderr();
            let started = Started::without_file(Config::demo(0));
            serve(Start { started, state: StateFolder::none(), is_demo: true, console: None })
        }
    };
    done.map_or_else(ExitCode::from, |()| ExitCode::SUCCESS)
}

fn run(Serve { run: Run { file, state }, console }: Serve) -> Result<(), u8> {
    journal::to_stderr();
    let state = StateFolder::beside(&file.config, state);
    let started = ConfigFile::new(file.config, state.clone()).start();
    serve(Start { started, state, is_demo: false, console })
}

fn serve(start: Start) -> Result<(), u8> {
    weir::daemon::run(start).map_err(|error| {
        error!("{error}");
        ENVIRONMENT
    })
}

fn check(path: &Path) -> Result<(), u8> {
    let loaded = load(path)?;
    for problem in &loaded.problems {
        eprintln!("{}: {problem}", path.display());
    }
    if loaded.unnamed_problems > 0 {
        eprintln!("{}: and {} more", path.display(), loaded.unnamed_problems);
    }
    if !tls::is_usable(&loaded.config.https, path) || !loaded.problems.is_empty() {
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
