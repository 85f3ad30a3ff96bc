//! `hitl-hub audit`: takes the record out, and checks its chain.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use super::{open_store_to_look, terminal};
use crate::config::hub::Settings;
use crate::hub::Hub;
use crate::hub::model::AuditRecord;
use crate::hub::store::ChainCheck;

/// Records read at once.
const PAGE: u32 = 1000;

/// What to do with the record.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print every record, oldest first
    #[command(after_help = "Example: hitl-hub audit export --format csv")]
    Export {
        /// Form of the records
        #[arg(long, value_enum, default_value = "jsonl")]
        format: Format,
    },
    /// Check that no record was changed or taken out
    #[command(after_help = "Example: hitl-hub audit verify")]
    Verify,
}

/// How records are printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Format {
    /// One JSON object per line
    Jsonl,
    /// A table for spreadsheets, with nothing in it that one would take for a formula
    Csv,
}

/// Does it.
pub(super) async fn run(command: Command, settings: &Settings) -> anyhow::Result<ExitCode> {
    let hub = open_store_to_look(settings).await?;
    let result = match command {
        Command::Export { format } => export(&hub, format).await.map(|()| ExitCode::SUCCESS),
        Command::Verify => verify(&hub).await,
    };
    hub.close().await;
    result
}

async fn export(hub: &Hub, format: Format) -> anyhow::Result<()> {
    if matches!(format, Format::Csv) {
        terminal::write(b"seq,at,actor,action,subject,detail,previous,hash\r\n")?;
    }
    let mut after = 0;
    loop {
        let records = hub.store().audit(after, PAGE).await?;
        let Some(last) = records.last() else { return Ok(()) };
        after = last.seq;
        let text: String = match format {
            Format::Jsonl => records.iter().map(jsonl).collect::<Result<_, _>>()?,
            Format::Csv => records.iter().map(csv).collect(),
        };
        terminal::write(text.as_bytes())?;
    }
}

fn jsonl(record: &AuditRecord) -> serde_json::Result<String> {
    Ok(terminal::inert_json(&serde_json::to_string(record)?) + "\n")
}

fn csv(record: &AuditRecord) -> String {
    let (seq, at) = (record.seq.to_string(), record.at.to_string());
    let fields =
        [&seq, &at, &record.actor, &record.action, &record.subject, &record.detail, &record.previous, &record.hash];
    fields.map(|field| cell(field)).join(",") + "\r\n"
}

/// A quoted cell, inert on a terminal; one that a spreadsheet would calculate is marked as text.
fn cell(text: &str) -> String {
    // Some spreadsheets look behind blanks and quotes, and take the full-width signs for the same.
    let first = text.trim_start_matches(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\''));
    let mark = if first.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '|', '%']) { "'" } else { "" };
    format!("\"{mark}{}\"", terminal::inert(text).replace('"', "\"\""))
}

async fn verify(hub: &Hub) -> anyhow::Result<ExitCode> {
    let wrong = match (hub.store().verify_audit().await?, hub.store().set_back()) {
        (ChainCheck::Whole { .. }, Some(set_back)) => set_back.to_string(),
        (ChainCheck::Whole { records, head, approvals, others, unsealed }, None) => {
            terminal::line(&format!("{records} records, unbroken; the last one's hash is {head}"))?;
            terminal::line(&format!("{approvals} approvals are as their records left them"))?;
            terminal::line(&format!("{others} users, agents and servers' policies are, too"))?;
            if unsealed > 0 {
                terminal::line(&format!("{unsealed} of these are older than that can be told of"))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        (ChainCheck::Broken { seq, why }, _) => format!("the record is broken at {seq}: {why}"),
        (ChainCheck::Altered { what, why }, _) => format!("{}: {why}", terminal::inert(&what)),
    };
    eprintln!("hitl-hub: {wrong}");
    Ok(ExitCode::FAILURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(cell("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(cell("@a"), "\"'@a\"");
        assert_eq!(cell(" \t\"=1"), "\"' \\u{9}\"\"=1\"");
        assert_eq!(cell("＝1"), "\"'＝1\"");
        assert_eq!(cell("plain, text"), "\"plain, text\"");
    }

    #[test]
    fn no_cell_moves_the_cursor_or_turns_text_around() {
        assert_eq!(cell("a\u{1b}[2J\u{202e}b\r\nc"), "\"a\\u{1b}[2J\\u{202e}b\\u{d}\\u{a}c\"");
    }
}
