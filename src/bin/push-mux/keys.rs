//! Our identity: make one, and say which it is.

use clap::Args;
use push_mux::runtime::identity_file::{IdentityError, create, default_path, draw_seed, load};
use std::{
    io::{self, Write},
    path::PathBuf,
};

#[derive(Args)]
struct SecretArgs {
    /// The file that keeps the identity (~/.ssb/secret).
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
}

impl SecretArgs {
    fn path(&self) -> Result<PathBuf, IdentityError> {
        self.secret.clone().map_or_else(default_path, Ok)
    }
}

#[derive(Args)]
pub(crate) struct KeygenArgs {
    #[command(flatten)]
    secret: SecretArgs,
}

#[derive(Args)]
pub(crate) struct WhoamiArgs {
    #[command(flatten)]
    secret: SecretArgs,
    /// Print the SSB URI, ssb:feed/classic/...
    #[arg(long)]
    uri: bool,
}

pub(crate) fn keygen(args: &KeygenArgs) -> Result<(), String> {
    let made = args.secret.path().and_then(|path| {
        let keypair = draw_seed()?.keypair();
        create(&path, &keypair).map(|()| keypair)
    });
    print(&made.map_err(|error| error.to_string())?.public().to_string())
}

pub(crate) fn whoami(args: &WhoamiArgs) -> Result<(), String> {
    let loaded = args.secret.path().and_then(|path| load(&path));
    let public = loaded.map_err(|error| error.to_string())?.public();
    print(&if args.uri { public.to_uri() } else { public.to_string() })
}

fn print(line: &str) -> Result<(), String> {
    writeln!(io::stdout(), "{line}").map_err(|error| format!("standard output: {error}"))
}
