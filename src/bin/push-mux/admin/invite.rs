use super::reach::{ReachArgs, print};
use clap::{Args, Subcommand};
use serde_json::{Map, Value};

#[derive(Args)]
pub(crate) struct InviteArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make an invite and print its code: who redeems it is followed by the pub.
    Create(CreateArgs),
}

#[derive(Args)]
struct CreateArgs {
    /// How many people may redeem it.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    uses: u32,
    /// A word for yourself, kept with what the pub says of those who come by it.
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// The host that the code names, instead of the server's own choice.
    #[arg(long, value_name = "HOST")]
    external: Option<String>,
    #[command(flatten)]
    reach: ReachArgs,
}

impl CreateArgs {
    /// The one argument of `invite.create`.
    fn argument(&self) -> Value {
        let mut argument = Map::new();
        argument.insert("uses".to_owned(), self.uses.into());
        for (name, value) in [("note", &self.note), ("external", &self.external)] {
            if let Some(value) = value {
                argument.insert(name.to_owned(), value.as_str().into());
            }
        }
        Value::Object(argument)
    }
}

pub(crate) fn run(args: &InviteArgs) -> Result<(), String> {
    let Command::Create(args) = &args.command;
    let code: String =
        args.reach.with(async |client| client.call("invite.create", (args.argument(),)).await)?;
    print(&code)
}
