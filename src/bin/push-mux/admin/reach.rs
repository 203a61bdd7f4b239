use crate::{
    serve::{data_dir, socket_in},
    transport::{DialArgs, IdentityArgs, shakes_hands},
};
use clap::Args;
use push_mux::{
    Address, CallError, Client, ClientOptions, Error, block_on, rpc::Kind, runtime::ConnectOptions,
};
use serde_json::Value;
use std::{
    io::{ErrorKind, Write},
    path::PathBuf,
};

/// Which server is meant.
#[derive(Args)]
pub(super) struct ReachArgs {
    /// The directory of a server of this user; its socket is in it. PUSH_MUX_DIR sets it too, else it is
    /// $XDG_DATA_HOME/push-mux or ~/.local/share/push-mux.
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    dir: Option<PathBuf>,
    /// The address of a server elsewhere, net:HOST:PORT~shs:KEY; it must know our identity as one that may do this.
    #[arg(long, value_name = "ADDRESS")]
    server: Option<Address>,
    #[command(flatten)]
    identity: IdentityArgs,
    #[command(flatten)]
    dial: DialArgs,
}

/// The server that is meant, and what to say when it is not there.
struct Server {
    address: Address,
    /// Of a server of this user.
    dir: Option<PathBuf>,
}

impl ReachArgs {
    fn server(&self) -> Result<Server, String> {
        if let Some(address) = &self.server {
            return Ok(Server { address: address.clone(), dir: None });
        }
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect::<std::collections::BTreeMap<_, _>>();
        let named = || environment.get("PUSH_MUX_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let dir = match self.dir.clone().or_else(named) {
            Some(dir) => dir,
            None => data_dir(&environment)?,
        };
        Ok(Server { address: socket_in(&dir), dir: Some(dir) })
    }

    /// Does something with the server.
    pub(super) fn with<T>(
        &self,
        work: impl AsyncFnOnce(&Client) -> Result<T, CallError>,
    ) -> Result<T, String> {
        let server = self.server()?;
        let credentials = shakes_hands(&server.address).then(|| self.identity.of_client()).transpose()?;
        let connect = ConnectOptions {
            credentials,
            socks5: self.dial.socks5.clone(),
            tls: self.dial.connector()?,
            ..ConnectOptions::default()
        };
        let options = ClientOptions { connect, ..ClientOptions::default() };
        let ended = block_on(async {
            let client = Client::connect_with(&server.address, options)
                .await
                .map_err(|error| server.absent(&error))?;
            let ended = work(&client).await.map_err(|error| error.to_string());
            client.close().await;
            ended
        });
        ended.map_err(|error| error.to_string())?
    }
}

impl Server {
    /// Why the server was not reached.
    fn absent(&self, error: &Error) -> String {
        let (Some(dir), Error::Io { error: cause, .. }) = (&self.dir, error) else {
            return error.to_string();
        };
        let dir = dir.display();
        match cause.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => format!(
                "no server runs in {dir}: nobody listens on {}. Start one with `push-mux serve --dir {dir}`, or name another \
                 with --dir or --server",
                self.address
            ),
            ErrorKind::PermissionDenied => {
                format!("the server in {dir} belongs to another user: run this as that user")
            }
            _ => error.to_string(),
        }
    }
}

/// A value of a method that answers once, or of one that goes on: then its first.
pub(super) async fn first(client: &Client, method: &str) -> Result<Value, CallError> {
    let kind = client.manifest().await?.kind(method);
    if kind != Some(Kind::Source) {
        return client.call(method, ()).await;
    }
    let mut rx = client.source(method, ()).await?;
    let Some(body) = rx.next().await else { return Ok(Value::Null) };
    serde_json::from_slice(&body?.bytes).map_err(|error| CallError::Result(error.to_string()))
}

/// Writes a line, or text that has its own, to standard output. A reader that went away ends the command without a word.
pub(super) fn print(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    let written = out
        .write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") });
    match written.and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}
