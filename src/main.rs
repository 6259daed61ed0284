//! The `spanline` command: arguments to a configuration, a command, an exit code.

mod interrupt;

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{CommandFactory, Parser};
use interrupt::AgentSignal;
use spanline::cli::{
    AgentArgs, BackfillArgs, Cli, Command, ConfigCommand, ConvertArgs, ExplainArgs, ScoreArgs, StatusArgs,
};
use spanline::commands::agent::follow;
use spanline::commands::agent::watch::Watch;
use spanline::commands::convert::{self, ConvertError};
use spanline::commands::flags::with_flags;
use spanline::commands::man::{self, ManError};
use spanline::commands::{agent, backfill, explain, score};
use spanline::config::{self, Surroundings};
use spanline::notify::Notify;
use spanline::run::RunError;
use spanline::run::agent::{AgentConfig, LogLevel};
use spanline::run::monitor::Monitor;

fn main() -> ExitCode {
    let variable = |name: &str| std::env::var(name).ok();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let around = Surroundings {
        variable: &variable,
        now_nanos: i64::try_from(now.as_nanos()).unwrap_or(i64::MAX),
        columns: columns(),
    };
    let monitor = Arc::new(Monitor::default());
    let result = match Cli::parse().command {
        Command::Convert(args) => run_convert(&args, &around, &monitor),
        Command::Backfill(args) => run_backfill(&args, &around, &monitor),
        Command::Agent(args) => run_agent(&args, &around),
        Command::Config { command: ConfigCommand::Default } => run_config_default(),
        Command::Status(args) => run_status(&args),
        Command::Explain(args) => run_explain(&args, &around, &monitor),
        Command::Score(args) => run_score(&args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "spanline", &mut std::io::stdout());
            Ok(0)
        }
        Command::Man { command, all } => run_man(command.as_deref(), all.as_deref()),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Each error names its cause in its own words.
            print_line(&format!("{error}"));
            // What fails as a run is cut short fails for that.
            let code = if is_wrong_usage(&error) { 2 } else { 1 };
            ExitCode::from(if monitor.is_interrupted() { 130 } else { code })
        }
    }
}

fn is_wrong_usage(error: &anyhow::Error) -> bool {
    error.is::<config::ConfigError>()
        || matches!(error.downcast_ref(), Some(RunError::Clash(_)))
        || matches!(error.downcast_ref(), Some(ConvertError::Clash(_)))
}

fn run_convert(args: &ConvertArgs, around: &Surroundings<'_>, monitor: &Arc<Monitor>) -> anyhow::Result<u8> {
    let config = config::convert(args, around)?;
    interrupt::listen(monitor);
    let outcome = convert::run(&config, std::io::stdout().lock(), monitor.interrupted())?;
    outcome.notices.iter().chain(&outcome.failures).for_each(|line| print_line(line));
    if outcome.nul_bytes > 0 {
        print_line(&format!(
            "{} NUL bytes before records were left out: the file was cut or not written whole",
            outcome.nul_bytes
        ));
    }
    Ok(if monitor.is_interrupted() { 130 } else { u8::from(!outcome.failures.is_empty()) })
}

fn run_backfill(args: &BackfillArgs, around: &Surroundings<'_>, monitor: &Arc<Monitor>) -> anyhow::Result<u8> {
    let config = config::backfill(args, around)?;
    let notify = notifier(config.read.quiet);
    config.notices.iter().for_each(|notice| print_line(notice));
    interrupt::listen(monitor);
    Ok(backfill::run(&config, &mut std::io::stdout().lock(), &mut std::io::stderr(), monitor, &notify)?)
}

fn run_agent(args: &AgentArgs, around: &Surroundings<'_>) -> anyhow::Result<u8> {
    let config = config::agent(args, around)?;
    if !args.check {
        return follow_until_told(args, config);
    }
    let checked = agent::check::check(&config);
    std::io::stdout().lock().write_all(checked.text.as_bytes())?;
    checked.errors.iter().for_each(|error| print_line(error));
    Ok(if checked.errors.is_empty() { 0 } else { 2 })
}

/// Runs the agent until a signal ends it.
fn follow_until_told(args: &AgentArgs, config: AgentConfig) -> anyhow::Result<u8> {
    let write = |line: &[u8]| drop(std::io::stderr().lock().write_all(line));
    // The signals' thread lives on: it must not keep the last words from being written.
    let watch = Arc::new(Watch::start(&config.telemetry, write)?);
    config.notices.iter().for_each(|notice| watch.say(LogLevel::Info, notice));
    if let Some(address) = watch.address() {
        watch.say(LogLevel::Info, &format!("metrics, health and status are at http://{address}/"));
    }
    let (commands, listening) = std::sync::mpsc::channel();
    let (mut running, args, words) = (config.clone(), args.clone(), Arc::downgrade(&watch));
    interrupt::listen_as_agent(move |signal| {
        let Some(words) = words.upgrade() else { return };
        let command = match signal {
            AgentSignal::Stop => {
                words.say(LogLevel::Info, "stopping: what was read is delivered first");
                Some(follow::Command::Stop)
            }
            AgentSignal::Reload => reloaded(&args, &mut running, &words).map(Box::new).map(follow::Command::Reload),
        };
        command.map(|command| commands.send(command));
    });
    let code = follow::run(&config, &watch, &listening);
    if let Some(watch) = Arc::into_inner(watch) {
        watch.finish();
    }
    Ok(code?)
}

/// The configuration as it is now, if it is another one and has no problems.
fn reloaded(args: &AgentArgs, running: &mut AgentConfig, watch: &Watch) -> Option<AgentConfig> {
    let variable = |name: &str| std::env::var(name).ok();
    let around = Surroundings { variable: &variable, now_nanos: 0, columns: None };
    let config::Reload { config, changed, needs_restart } = match config::reload(args, &around, running) {
        Ok(reload) => reload,
        Err(error) => {
            watch.say(LogLevel::Error, &format!("the configuration is not read again: {error}"));
            return None;
        }
    };
    for key in needs_restart {
        watch.say(LogLevel::Warn, &format!("{key} has changed: that takes a new start of the agent"));
    }
    if changed.is_empty() {
        watch.say(LogLevel::Info, "the configuration has not changed");
        return None;
    }
    watch.say(LogLevel::Info, &format!("the configuration has changed: {}", changed.join(", ")));
    watch.show(config.telemetry.log);
    running.clone_from(&config);
    Some(config)
}

fn run_config_default() -> anyhow::Result<u8> {
    std::io::stdout().lock().write_all(config::DEFAULT_FILE.as_bytes())?;
    Ok(0)
}

fn run_status(args: &StatusArgs) -> anyhow::Result<u8> {
    let address = config::status(args)?;
    let output = &mut std::io::stdout().lock();
    let shown = match args.watch {
        true => agent::status::watch(&address, output, &console::Term::stdout()),
        false => agent::status::show(&address, output),
    };
    shown.map_err(|error| anyhow::anyhow!("status: {error}"))?;
    Ok(0)
}

fn run_explain(args: &ExplainArgs, around: &Surroundings<'_>, monitor: &Arc<Monitor>) -> anyhow::Result<u8> {
    let config = config::explain(args, around)?;
    let notify = notifier(config.read.quiet);
    config.notices.iter().for_each(|notice| print_line(notice));
    interrupt::listen(monitor);
    let failures = explain::run(&config, &mut std::io::stdout().lock(), monitor, &notify)?;
    failures.iter().for_each(|failure| print_line(failure));
    Ok(if monitor.is_interrupted() { 130 } else { u8::from(!failures.is_empty()) })
}

fn run_score(args: &ScoreArgs) -> anyhow::Result<u8> {
    let below = score::run(&config::score(args)?, &mut std::io::stdout().lock())?;
    below.iter().for_each(|text| print_line(text));
    Ok(u8::from(!below.is_empty()))
}

/// The manual page of spanline, or of one of its commands, or all of them.
fn run_man(command: Option<&str>, all: Option<&std::path::Path>) -> anyhow::Result<u8> {
    let written = match all {
        Some(folder) => man::write_all(folder),
        None => man::print(command, &mut std::io::stdout().lock()),
    };
    match written {
        Err(error @ ManError::Unknown { .. }) => {
            Err(config::ConfigError { flag: "man", reason: error.to_string() }.into())
        }
        written => Ok(written.map(|()| 0)?),
    }
}

/// Prints messages while a run goes on; a quiet run prints its failures at the end.
fn notifier(quiet: bool) -> Notify {
    if quiet { Arc::new(|_: &str| {}) } else { Arc::new(|text: &str| print_line(text)) }
}

fn columns() -> Option<usize> {
    let (_, columns) = console::Term::stdout().size_checked()?;
    Some(usize::from(columns))
}

fn print_line(text: &str) {
    // A closed stderr is no reason to fail.
    let _ = writeln!(std::io::stderr(), "spanline: {}", with_flags(text));
}
