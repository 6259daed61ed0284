//! The flags that stand for settings in what a user reads.
//!
//! In goes a message in which settings stand by their neutral names ([`Setting`]), out comes one that names flags.

use std::borrow::Cow;

use crate::setting::Setting;

/// The flag that a setting is given with.
pub fn flag(setting: Setting) -> &'static str {
    match setting {
        Setting::AllowNoTraces => "--allow-no-traces",
        Setting::CaFile => "--ca-file",
        Setting::CertFile => "--cert-file",
        Setting::DecompressedBytesMax => "--max-decompressed-bytes",
        Setting::Destination => "--to",
        Setting::Header => "--header",
        Setting::InsecureSkipVerify => "--insecure-skip-verify",
        Setting::KeyFile => "--key-file",
        Setting::Links => "--links",
        Setting::KubeletCaFile => "--metadata-ca",
        Setting::KubeletInsecureSkipVerify => "--metadata-insecure-skip-verify",
        Setting::Only => "--only",
        Setting::RetryFor => "--retry-for",
        Setting::State => "--state",
        Setting::TemporaryBytesMax => "--max-temporary-bytes",
        Setting::TraceRequestBytesMax => "--max-traces-request-bytes",
        Setting::Traces => "--traces",
        Setting::TracesCaFile => "--traces-ca-file",
        Setting::TracesCertFile => "--traces-cert-file",
        Setting::TracesHeader => "--traces-header",
        Setting::TracesInsecureSkipVerify => "--traces-insecure-skip-verify",
        Setting::TracesKeyFile => "--traces-key-file",
        Setting::WriterPattern => "--for",
        Setting::Zone => "--zone",
    }
}

/// The text with a flag for each setting that it speaks of.
pub fn with_flags(text: &str) -> Cow<'_, str> {
    with_names(text, flag)
}

/// The text with a name for each setting that it speaks of.
pub(super) fn with_names(text: &str, name_of: fn(Setting) -> &'static str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('‹') {
        let named = after.split_once('›').and_then(|(name, behind)| {
            let setting = Setting::ALL.iter().find(|setting| setting.name() == name)?;
            Some((*setting, behind))
        });
        out.push_str(before);
        match named {
            Some((setting, behind)) => {
                out.push_str(name_of(setting));
                rest = behind;
            }
            // A file may be called so.
            None => {
                out.push('‹');
                rest = after;
            }
        }
    }
    if out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn settings_are_spelled_as_they_are_typed() {
        for (text, expected) in [
            ("plain", "plain".to_owned()),
            ("raise ‹maximum of temporary bytes›", "raise --max-temporary-bytes".to_owned()),
            ("‹traces› ‹x›.log ‹", "--traces ‹x›.log ‹".to_owned()),
            (&format!("{}{}", Setting::Only, Setting::Zone), "--only--zone".to_owned()),
        ] {
            assert_eq!(with_flags(text), expected);
        }
    }

    #[test]
    fn each_setting_has_a_name_and_a_flag_that_a_command_takes() {
        let cli = Cli::command();
        let takes = |flag: &str| {
            let mut arguments = cli.get_subcommands().flat_map(clap::Command::get_arguments);
            arguments.any(|argument| argument.get_long() == flag.strip_prefix("--"))
        };
        for (at, setting) in Setting::ALL.iter().enumerate() {
            assert!(takes(flag(*setting)), "{setting}");
            assert!(Setting::ALL[..at].iter().all(|other| other.name() != setting.name()), "{setting}");
        }
    }
}
