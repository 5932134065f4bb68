//! `weir import`: another program's cameras on stdout, what is left out on stderr.

use weir::import::{ImportKind, Imported, import_file};

use crate::CONFIGURATION;
use crate::arguments::{Import, Program};

/// Prints the cameras that can be taken over; exit code 2 when there are none.
pub(crate) fn import(Import { file, from }: &Import) -> Result<(), u8> {
    let from = from.map(|program| match program {
        Program::Mediamtx => ImportKind::MediaMtx,
        Program::Go2rtc => ImportKind::Go2rtc,
    });
    let path = file.display();
    let Imported { kind, fragment, taken, found, notes } =
        import_file(file, from).map_err(|why| {
            eprintln!("{path}: {why}");
            CONFIGURATION
        })?;
    print!("{fragment}");
    for note in notes {
        eprintln!("{note}");
    }
    eprintln!("{path}: {taken} of {found} cameras taken over from {kind}");
    if taken > 0 { Ok(()) } else { Err(CONFIGURATION) }
}
