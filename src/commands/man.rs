//! `spanline man`: manual pages, from what can be typed.
//!
//! In goes the command line's definition, out come pages in roff: one of spanline, and one of each of its commands.

use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};

use crate::cli::Cli;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ManError {
    /// There is no such command.
    #[error("there is no command {name:?}: the commands are {}", known.join(", "))]
    Unknown {
        /// As it was asked for.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// It cannot be written.
    #[error("{place}: {source}")]
    Output {
        /// Where to.
        place: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Writes the page of spanline, or of one of its commands.
pub fn print(command: Option<&str>, output: &mut impl Write) -> Result<(), ManError> {
    let all = Cli::command();
    let page = match command {
        None => all,
        Some(name) => {
            let known = || all.get_subcommands().map(|command| command.get_name().to_owned()).collect();
            let found = all.find_subcommand(name).cloned();
            page_of(found.ok_or_else(|| ManError::Unknown { name: name.to_owned(), known: known() })?)
        }
    };
    let failed = |source| ManError::Output { place: "standard output".to_owned(), source };
    output.write_all(&rendered(page).map_err(failed)?).map_err(failed)
}

/// Writes all pages to a folder, which is made: `spanline.1`, `spanline-backfill.1`, …
pub fn write_all(folder: &Path) -> Result<(), ManError> {
    let failed = |path: &Path| {
        let place = path.display().to_string();
        move |source| ManError::Output { place, source }
    };
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    let all = Cli::command();
    let pages = all.get_subcommands().cloned().map(page_of).collect::<Vec<_>>();
    for page in pages.into_iter().chain([all]) {
        let name = page.get_display_name().unwrap_or_else(|| page.get_name()).to_owned();
        let path = folder.join(format!("{name}.1"));
        rendered(page).and_then(|text| std::fs::write(&path, text)).map_err(failed(&path))?;
    }
    Ok(())
}

/// A command as it is called on its page.
fn page_of(command: Command) -> Command {
    let name = command.get_name().to_owned();
    command
        .version(env!("CARGO_PKG_VERSION"))
        .display_name(format!("spanline-{name}"))
        .bin_name(format!("spanline {name}"))
}

fn rendered(page: Command) -> io::Result<Vec<u8>> {
    // A page shows what the long help does; a flag with a short text only has that.
    let page = page.mut_args(|arg| match arg.get_help().cloned() {
        Some(help) if arg.get_long_help().is_none() => arg.long_help(help),
        _ => arg,
    });
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text)?;
    Ok(text)
}
