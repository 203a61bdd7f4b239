//! Arguments, random bytes, standard input and output.

use bytes::Bytes;
use push_mux::secret::HandshakeError;
use std::{
    env,
    error::Error,
    fs::File,
    io::{Read, Write, stdin, stdout},
    process::ExitCode,
};

/// An argument of `N` bytes in hex.
pub(super) fn argument<const N: usize>(index: usize) -> Result<[u8; N], Box<dyn Error>> {
    let text = env::args().nth(index).ok_or("an argument is missing")?;
    let bytes = text
        .as_bytes()
        .chunks(2)
        .map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?))
        .collect::<Result<Vec<u8>, Box<dyn Error>>>()?;
    bytes.try_into().map_err(|_| format!("argument {index} is not {N} bytes long").into())
}

/// Fresh random bytes.
pub(super) fn seed() -> Result<[u8; 32], Box<dyn Error>> {
    let mut seed = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut seed)?;
    Ok(seed)
}

/// What has arrived, at least one byte.
pub(super) fn read() -> Result<Bytes, Box<dyn Error>> {
    let mut chunk = [0; 256];
    let count = stdin().lock().read(&mut chunk)?;
    if count == 0 {
        return Err(HandshakeError::Truncated.into());
    }
    Ok(Bytes::copy_from_slice(&chunk[..count]))
}

/// Sends at once.
pub(super) fn write(bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut line = stdout().lock();
    line.write_all(bytes)?;
    Ok(line.flush()?)
}

/// 0, or 1 after saying why.
pub(super) fn exit_code(result: Result<(), Box<dyn Error>>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
