//! `push-mux serve`: a pub. Options come from flags, the environment and a file, in that order, and all of them stand in one
//! table, [`settings`], which the help, the reader of files and `--print-config` are made from.

mod args;
mod layers;
mod limits;
mod logs;
mod resolve;
mod settings;
mod start;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use self::{
    args::ServeArgs,
    resolve::{data_dir, socket_in},
    values::feed,
};

use std::{collections::BTreeMap, path::PathBuf};

pub(crate) fn run(args: &ServeArgs) -> Result<(), String> {
    let environment: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let path = args.config.clone().or_else(|| environment.get("PUSH_MUX_CONFIG").map(PathBuf::from));
    let file = match &path {
        None => None,
        Some(path) => {
            let text =
                std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Some((path.as_path(), text))
        }
    };
    let file = file.as_ref().map(|(path, text)| (*path, text.as_str()));
    let resolved = resolve::resolve(args, &environment, file)?;
    if args.print_config {
        print!("{}", resolve::print(&resolved));
        return Ok(());
    }
    logs::begin(&resolved.log)?;
    start::start(resolved)
}
