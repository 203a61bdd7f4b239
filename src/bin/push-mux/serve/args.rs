use super::{
    layers::Layer,
    settings::{self, Shape},
};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, value_parser};
use std::path::PathBuf;

/// The command line, as it was given.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServeArgs {
    /// The file with the rest of the options.
    pub(crate) config: Option<PathBuf>,
    /// Print the options in effect instead of serving.
    pub(crate) print_config: bool,
    /// Those that were given.
    pub(crate) given: Layer,
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Layer::default();
        for setting in settings::all() {
            let values: Option<Vec<String>> = match setting.shape {
                Shape::Flag => matches.get_flag(setting.name).then(|| vec!["true".to_owned()]),
                Shape::One | Shape::Many => {
                    matches.get_many::<String>(setting.name).map(|values| values.cloned().collect())
                }
            };
            if let Some(values) = values {
                given.insert(setting.name, format!("--{}", setting.name), values);
            }
        }
        let config = matches.get_one::<PathBuf>("config").cloned();
        Ok(Self { config, print_config: matches.get_flag("print-config"), given })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for ServeArgs {
    fn augment_args(command: Command) -> Command {
        let config =
            Arg::new("config").long("config").value_name("FILE").value_parser(value_parser!(PathBuf));
        let print = Arg::new("print-config").long("print-config").action(ArgAction::SetTrue);
        let command = command
            .arg(config.help("A TOML file with options, by the names they have here [env: PUSH_MUX_CONFIG]"))
            .arg(print.help("Print the options in effect as such a file, without keys, and serve nothing"))
            .after_help(
                "Each option may also be given as the environment variable PUSH_MUX_NAME (--max-feeds as PUSH_MUX_MAX_FEEDS; \
                 lists separated by spaces) or in the file. Flags go before the environment, that before the file.",
            );
        settings::all().fold(command, |command, setting| {
            let arg = Arg::new(setting.name).long(setting.name).help(setting.help);
            let arg = if setting.name == "log-format" { arg.visible_alias("log") } else { arg };
            command.arg(match setting.shape {
                Shape::Flag => arg.action(ArgAction::SetTrue),
                Shape::One => arg.value_name(setting.value),
                Shape::Many => arg.value_name(setting.value).action(ArgAction::Append),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
