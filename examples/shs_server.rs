//! The server's side of one secret-handshake over standard input and output, as the npm package `shs1-test` wants it.
//!
//! Arguments in hex: network key, secret key (64 bytes), public key. On success the outcome of 112 bytes follows
//! message 4; on failure nothing more is written and the exit code is 1.

#[path = "shs/line.rs"]
mod line;

use push_mux::secret::{Handshake, Keypair, NetworkKey, Progress};
use std::{error::Error, process::ExitCode};

fn run() -> Result<(), Box<dyn Error>> {
    let network = NetworkKey::new(line::argument(1)?);
    let identity = Keypair::from_secret(&line::argument(2)?).ok_or("the secret key is none")?;
    if identity.public().0 != line::argument(3)? {
        return Err("the public key does not belong to the secret key".into());
    }
    let mut handshake = Handshake::server(&network, &identity, &line::seed()?);
    loop {
        match handshake.handle(&mut line::read()?)? {
            Progress::Authorise(_) => {
                let outcome = handshake.accept().ok_or("nobody can be accepted")?;
                line::write(&handshake.take_output())?;
                line::write(&*outcome.to_bytes())?;
                return Ok(());
            }
            _ => line::write(&handshake.take_output())?,
        }
    }
}

fn main() -> ExitCode {
    line::exit_code(run())
}
