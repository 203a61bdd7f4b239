//! The client's side of one secret-handshake over standard input and output, as the npm package `shs1-test` wants it.
//!
//! Arguments in hex: network key, the server's public key. On success the outcome of 112 bytes is written last; on
//! failure nothing more is written and the exit code is 1.

#[path = "shs/line.rs"]
mod line;

use push_mux::secret::{Handshake, Keypair, NetworkKey, Progress, PublicKey};
use std::{error::Error, process::ExitCode};

fn run() -> Result<(), Box<dyn Error>> {
    let network = NetworkKey::new(line::argument(1)?);
    let server = PublicKey(line::argument(2)?);
    let identity = Keypair::from_seed(&line::seed()?);
    let mut handshake = Handshake::client(&network, &identity, &server, &line::seed()?)?;
    loop {
        line::write(&handshake.take_output())?;
        if let Progress::Done(outcome) = handshake.handle(&mut line::read()?)? {
            line::write(&*outcome.to_bytes())?;
            return Ok(());
        }
    }
}

fn main() -> ExitCode {
    line::exit_code(run())
}
