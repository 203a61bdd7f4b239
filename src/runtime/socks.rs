use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

/// Where Tor listens if nobody says otherwise.
pub(crate) const TOR: &str = "127.0.0.1:9050";

/// Asks a SOCKS5 proxy (RFC 1928) for a connection by name, so that the proxy and not the system looks the name up.
pub(crate) fn connect(mut proxy: TcpStream, host: &str, port: u16) -> io::Result<TcpStream> {
    let length = u8::try_from(host.len()).map_err(|_| io::Error::other("the name is too long for SOCKS5"))?;
    // Version 5, one method: none.
    proxy.write_all(&[5, 1, 0])?;
    let mut chosen = [0; 2];
    proxy.read_exact(&mut chosen)?;
    if chosen != [5, 0] {
        return Err(io::Error::other("the SOCKS5 proxy asks for a password"));
    }
    // Connect, by name.
    let mut request = vec![5, 1, 0, 3, length];
    request.extend_from_slice(host.as_bytes());
    request.extend_from_slice(&port.to_be_bytes());
    proxy.write_all(&request)?;
    let mut reply = [0; 4];
    proxy.read_exact(&mut reply)?;
    if reply[0] != 5 || reply[1] != 0 {
        return Err(io::Error::other(format!("the SOCKS5 proxy says no: {}", reason(reply[1]))));
    }
    let address_bytes = match reply[3] {
        1 => 4,
        4 => 16,
        3 => {
            let mut length = [0; 1];
            proxy.read_exact(&mut length)?;
            usize::from(length[0])
        }
        _ => return Err(io::Error::other("the SOCKS5 proxy answers in an unknown form")),
    };
    // The address it dials from, and its port: nobody needs them.
    proxy.read_exact(&mut vec![0; address_bytes + 2])?;
    Ok(proxy)
}

/// RFC 1928, section 6.
const fn reason(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "too slow",
        7 | 8 => "not supported",
        _ => "unknown reason",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A proxy that answers with these bytes and says what it was asked.
    fn proxy(answers: &'static [(usize, &'static [u8])]) -> (TcpStream, std::thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            for (read, answer) in answers {
                let mut bytes = vec![0; *read];
                peer.read_exact(&mut bytes).unwrap();
                asked.extend(bytes);
                peer.write_all(answer).unwrap();
            }
            asked
        });
        (TcpStream::connect(address).unwrap(), thread)
    }

    #[test]
    fn a_name_is_dialled_through_the_proxy() {
        let (stream, asked) = proxy(&[(3, &[5, 0]), (12, &[5, 0, 0, 1, 9, 9, 9, 9, 0, 1, b'h', b'i'])]);
        let mut stream = connect(stream, "abcde", 0x1f48).unwrap();
        let mut early = [0; 2];
        stream.read_exact(&mut early).unwrap();
        assert_eq!(&early, b"hi", "what follows is the peer's");
        assert_eq!(asked.join().unwrap(), b"\x05\x01\0\x05\x01\0\x03\x05abcde\x1f\x48");
    }

    #[test]
    fn refusals_are_told() {
        let (stream, _asked) = proxy(&[(3, &[5, 0]), (8, &[5, 4, 0, 1, 0, 0, 0, 0, 0, 0])]);
        assert!(connect(stream, "a", 1).unwrap_err().to_string().contains("host unreachable"));
        let (stream, _asked) = proxy(&[(3, &[5, 0xff])]);
        assert!(connect(stream, "a", 1).unwrap_err().to_string().contains("password"));
        let long = "x".repeat(300);
        let (stream, _asked) = proxy(&[]);
        assert!(connect(stream, &long, 1).is_err());
    }
}
