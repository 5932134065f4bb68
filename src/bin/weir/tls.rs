//! `weir tls`, and what `weir check` finds wrong with the certificate.

use std::path::Path;

use weir::config::{Https, TlsMode};
use weir::storage::StateFolder;
use weir::tls;

use crate::arguments::Run;
use crate::{ENVIRONMENT, load};

/// Runs `weir tls`; the error is the exit code.
pub(crate) fn show(Run { file, state }: Run) -> Result<(), u8> {
    let https = load(&file.config)?.config.https;
    match tls::look(&https, &StateFolder::beside(&file.config, state)) {
        Ok(Some(facts)) => print!("{facts}"),
        Ok(None) => println!("TLS is off"),
        Err(error) => {
            eprintln!("{error}");
            return Err(ENVIRONMENT);
        }
    }
    Ok(())
}

/// Whether the operator's certificate can be served, if there is one; prints why not.
pub(crate) fn is_usable(https: &Https, configuration: &Path) -> bool {
    if !matches!(https.tls, TlsMode::Files { .. }) {
        return true;
    }
    let looked = tls::look(https, &StateFolder::none());
    if let Err(error) = &looked {
        eprintln!("{}: {error}", configuration.display());
    }
    looked.is_ok()
}
