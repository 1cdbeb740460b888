//! Who is blamed for what: a stream that is wrong is its sender's, whatever it is read for.

use std::io;

use mpcc_channel::Duplex;
use mpcc_protocols::ProtocolError;

use crate::error::SessionError;
use crate::transfer::CorrectionReader;

/// The two others of a party's session.
pub(crate) struct Names {
    pub(crate) peer: String,
    pub(crate) dealer: String,
}

impl Names {
    pub(crate) fn blame(&self, error: ProtocolError) -> SessionError {
        SessionError::from_protocol(error, &self.peer, &self.dealer)
    }
}

/// Runs `work` on the dealer's stream, of which it reads what the code receives, and checks that it was used up.
pub(crate) fn with_corrections<T>(
    dealer: &mut dyn Duplex,
    kind: u8,
    names: &Names,
    work: impl FnOnce(&mut dyn io::Read) -> Result<T, ProtocolError>,
) -> Result<T, SessionError> {
    let mut reader = CorrectionReader::new(dealer, kind);
    let done = work(&mut reader).map_err(|e| names.blame(e))?;
    reader.finish()?;
    Ok(done)
}
