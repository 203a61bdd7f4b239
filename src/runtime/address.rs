use std::{fmt, path::PathBuf, str::FromStr};

/// Where to listen or dial: `net:HOST:PORT`, `HOST:PORT` or `unix:/PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// TCP.
    Net {
        /// A name or an IP address, IPv6 without brackets.
        host: String,
        /// The port; 0 lets the system choose when listening.
        port: u16,
    },
    /// A Unix socket.
    Unix(PathBuf),
}

/// Text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address: use net:HOST:PORT, HOST:PORT or unix:/PATH")]
pub struct AddressError {
    text: String,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || AddressError { text: text.to_owned() };
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(wrong()) } else { Ok(Self::Unix(path.into())) };
        }
        let rest = text.strip_prefix("net:").unwrap_or(text);
        let (host, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().map_err(|_| wrong())?;
        let host = match host.strip_prefix('[') {
            Some(bracketed) => bracketed.strip_suffix(']').ok_or_else(wrong)?,
            None => host,
        };
        if host.is_empty() || host.contains(['[', ']', '/', '~', ' ']) {
            return Err(wrong());
        }
        Ok(Self::Net { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net { host, port } if host.contains(':') => write!(f, "net:[{host}]:{port}"),
            Self::Net { host, port } => write!(f, "net:{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_printed() {
        for (text, printed) in [
            ("net:127.0.0.1:8008", "net:127.0.0.1:8008"),
            ("localhost:8008", "net:localhost:8008"),
            ("net:[::1]:8008", "net:[::1]:8008"),
            ("unix:/run/mux.sock", "unix:/run/mux.sock"),
        ] {
            let address: Address = text.parse().expect(text);
            assert_eq!(address.to_string(), printed);
            assert_eq!(printed.parse(), Ok(address));
        }
        for wrong in ["", "8008", "net:host", "net::8008", "unix:", "host:99999", "[::1:80", "net:h~shs:K:1"]
        {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
