//! The configuration of `convert`.

use super::error::{ConfigError, Surroundings};
use super::rules;
use super::values::{calendar, colour, fields, journal, limits};
use super::writers::writers;
use crate::cli::{ConvertArgs, JournalFields, ToFormat};
use crate::commands::convert::ConvertConfig;

/// The configuration of `convert`.
pub fn convert(args: &ConvertArgs, around: &Surroundings<'_>) -> Result<ConvertConfig, ConfigError> {
    Ok(ConvertConfig {
        files: args.files.clone(),
        writers: writers(&args.writer)?,
        journal: journal(&args.journal)?,
        rules: rules::of_file(args.rules.as_deref())?,
        from: args.from,
        to: args.to,
        calendar: calendar(args.year, args.zone.as_deref(), around)?,
        keep_ansi: args.keep_ansi,
        // JSON is for programs, which leave out what they do not want.
        journal_fields: match args.journal_fields {
            Some(fields) => fields == JournalFields::All,
            None => args.to == ToFormat::Json,
        },
        limits: limits(args.max_line_bytes, args.max_decompressed_bytes)?,
        fields: fields(args.fields),
        colour: colour(args.color, around),
    })
}
