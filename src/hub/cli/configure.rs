//! `hitl-hub config`: checks the settings, and prints the manual of the settings file.

use clap::Subcommand;

use super::{Place, terminal};
use crate::config::database::Database;
use crate::hub::notify;

const EXAMPLE: &str = include_str!("../../../config.example.toml");

/// What to do with the settings.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read all settings and say where the hub would listen and keep its data
    #[command(after_help = "Example: hitl-hub config check --config hub.toml")]
    Check,
    /// Print a settings file with every key and its default
    #[command(after_help = "Example: hitl-hub config default")]
    Default,
}

/// Does it.
pub(super) fn run(command: &Command, place: &Place) -> anyhow::Result<()> {
    match command {
        Command::Default => terminal::write(EXAMPLE.as_bytes()),
        Command::Check => {
            let settings = place.settings(None)?;
            notify::check_file(&settings.notify).map_err(anyhow::Error::msg)?;
            let public = settings.public_url.as_ref().map_or_else(|| "not set".to_owned(), |url| url.origin());
            // The database's URL may carry a password.
            let database = match settings.database {
                Database::Sqlite(_) => "sqlite",
                Database::Postgres(_) => "postgres",
            };
            terminal::line(&format!(
                "the settings are good\nlisten: {}\ndata_dir: {}\ndatabase: {database}\npublic_url: {public}",
                settings.listen,
                settings.data_dir.display(),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::File;

    #[test]
    fn the_printed_file_and_each_line_of_it_is_valid() {
        assert_eq!(toml::from_str::<File>(EXAMPLE).unwrap(), File::default());
        let settings = EXAMPLE.lines().filter_map(|line| line.strip_prefix("# ")).filter(|line| is_setting(line));
        let keys: Vec<_> = settings.inspect(|line| drop(toml::from_str::<File>(line).unwrap())).collect();
        assert_eq!(keys.len(), 25, "every key of config::file::File, once: {keys:#?}");
    }

    // Mail keeps its connections on a runtime.
    #[tokio::test]
    async fn the_channels_it_shows_can_be_used() {
        let lines = EXAMPLE.lines().filter_map(|line| line.strip_prefix("#   "));
        let lines = lines.skip_while(|line| *line != "[[notify]]");
        let file: File = toml::from_str(&lines.collect::<Vec<_>>().join("\n")).unwrap();
        assert_eq!(file.notify.len(), 2);
        notify::check_file(&file.notify).unwrap();
    }

    /// `key = value`, as opposed to a sentence.
    fn is_setting(line: &str) -> bool {
        line.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    }
}
