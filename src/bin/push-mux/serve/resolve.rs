//! From the layers to the options in effect.

use super::{
    args::ServeArgs,
    layers::{Given, Layer},
    logs::Log,
    settings::{self, Shown},
};
use push_mux::{
    Address,
    secret::{Auth, Endpoint, NetworkKey, Transport},
    ssb::PubOptions,
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Bytes of a Unix socket's path that the kernel takes.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The options in effect. Nothing has been opened, read or made yet.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// Identity and certificate are not loaded yet.
    pub(crate) options: PubOptions,
    pub(crate) network: NetworkKey,
    /// Without the socket of the directory; see [`listeners`](Self::listeners).
    pub(crate) listen: Vec<Address>,
    pub(crate) has_socket: bool,
    pub(crate) tls_certificate: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) log: Log,
}

impl Resolved {
    /// All addresses to listen on, the socket of the directory last.
    pub(crate) fn listeners(&self) -> Vec<Address> {
        let socket = self.has_socket.then(|| socket_in(&self.options.dir));
        self.listen.iter().cloned().chain(socket).collect()
    }

    /// The file of our identity.
    pub(crate) fn secret(&self) -> PathBuf {
        self.options.dir.join("secret")
    }

    /// What no option says alone.
    fn check(&self) -> Result<(), String> {
        if self.tls_certificate.is_some() != self.tls_key.is_some() {
            return Err("tls-certificate and tls-key are wanted together".to_owned());
        }
        let is_wss = |endpoint: &Endpoint| matches!(endpoint.transport, Transport::Wss { .. });
        let listeners = self.listeners();
        if self.tls_key.is_none() && listeners.iter().flat_map(Address::endpoints).any(is_wss) {
            return Err("a wss address needs tls-certificate and tls-key".to_owned());
        }
        for endpoint in listeners.iter().flat_map(Address::endpoints) {
            if let Transport::Unix(path) = &endpoint.transport
                && path.as_os_str().len() > SOCKET_PATH_BYTES_MAX
            {
                return Err(format!(
                    "{}: the kernel takes no path of a socket above {SOCKET_PATH_BYTES_MAX} bytes; choose a shorter dir",
                    path.display()
                ));
            }
        }
        if self.listeners().is_empty() {
            return Err("there is nothing to listen on: listen is empty, and no-socket is set".to_owned());
        }
        Ok(())
    }
}

/// The socket by which the commands of the same user reach the server of a directory.
pub(crate) fn socket_in(dir: &Path) -> Address {
    Address::from(Endpoint { transport: Transport::Unix(dir.join("socket")), auth: Auth::None })
}

/// Where things are kept when nothing is said.
pub(crate) fn data_dir(environment: &BTreeMap<String, String>) -> Result<PathBuf, String> {
    let absolute = |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")));
    let data = data.ok_or("neither XDG_DATA_HOME nor HOME is set: name the directory with --dir")?;
    Ok(data.join("push-mux"))
}

/// Takes each option from the first of flags, environment and file that has it.
///
/// # Errors
/// A sentence that names where the option stands and what does not fit.
pub(crate) fn resolve(
    args: &ServeArgs,
    environment: &BTreeMap<String, String>,
    file: Option<(&Path, &str)>,
) -> Result<Resolved, String> {
    let file = file.map(|(path, text)| Layer::of_file(path, text)).transpose()?.unwrap_or_default();
    let layers = [&args.given, &Layer::of_environment(environment), &file];
    let find = |name: &str| -> Option<&Given> { layers.iter().find_map(|layer| layer.get(name)) };
    let dir = if find("dir").is_some() { PathBuf::new() } else { data_dir(environment)? };
    let mut resolved = Resolved {
        options: PubOptions::new(dir),
        network: NetworkKey::MAIN,
        listen: vec![settings::default_listen()?],
        has_socket: true,
        tls_certificate: None,
        tls_key: None,
        metrics: None,
        log: Log::default(),
    };
    for setting in settings::all() {
        if let Some(Given { origin, values }) = find(setting.name) {
            (setting.set)(&mut resolved, values).map_err(|error| format!("{origin}: {error}"))?;
        }
    }
    resolved.check()?;
    Ok(resolved)
}

/// The options in effect as a file that [`resolve`] reads; keys are left out.
pub(crate) fn print(resolved: &Resolved) -> String {
    let quoted = |text: &String| toml::Value::from(text.as_str()).to_string();
    let lines = settings::all().map(|setting| {
        let name = setting.name;
        match (setting.show)(resolved) {
            Shown::Unset => format!("# {name} is not set\n"),
            Shown::Secret(false) => format!("# {name} is not set\n"),
            Shown::Secret(true) => format!("# {name} is set, and not shown\n"),
            Shown::Flag(value) => format!("{name} = {value}\n"),
            Shown::Bare(value) => format!("{name} = {value}\n"),
            Shown::Text(value) => format!("{name} = {}\n", quoted(&value)),
            Shown::Texts(values) => {
                format!("{name} = [{}]\n", values.iter().map(quoted).collect::<Vec<_>>().join(", "))
            }
        }
    });
    lines.collect()
}
