//! `weir import`: another program's cameras on stdout, what stays behind on stderr.

use weir::import::{Imported, Kind, import_file};

use crate::CONFIGURATION;
use crate::arguments::{Import, Program};

/// Prints what can be taken over; code 2 when that is nothing.
pub(crate) fn import(Import { file, from }: &Import) -> Result<(), u8> {
    let from = from.map(|program| match program {
        Program::Mediamtx => Kind::MediaMtx,
        Program::Go2rtc => Kind::Go2rtc,
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
