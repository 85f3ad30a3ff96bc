//! The completion scripts of both programs, in the shells that they are for.

use std::process::{Command, Stdio};

use crate::support::binary;

/// Loads the script as an installed one, types `PROGRAM WORD` and prints what is offered.
const BASH: &str = r#"
source "$script"
COMP_WORDS=("$program" "$word") COMP_CWORD=1
"$(complete -p "$program" | sed 's/.*-F \([^ ]*\) .*/\1/')" "$program" "$word" "$program"
printf '%s\n' "${COMPREPLY[@]}"
"#;
const FISH: &str = r#"source "$script"; complete --do-complete "$program $word""#;
// Completions of zsh need its line editor, and so a terminal.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty line zsh -f -i
zpty -w line "PS1=; fpath=(${script:h} \$fpath); autoload -U compinit; compinit -u -d ${script:h}/dump"
zpty -w -n line "$program $word"$'\t'
zpty -r line shown "*$wanted*"
print -r -- $shown
"#;

fn completes(shell: &str, by: &str, program: &str, [word, wanted]: [&str; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join(format!("_{program}"));
    let written = Command::new(binary(program)).args(["completions", shell]).output().unwrap();
    std::fs::write(&script, written.stdout).unwrap();
    let mut command = Command::new("timeout");
    command.args(["120", shell, "-c", by]).stdin(Stdio::null()).env("TERM", "dumb").env("HOME", folder.path());
    command.env("script", &script).env("program", program).env("word", word).env("wanted", wanted);
    let output = command.output().unwrap();
    let offered = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty(), "{shell}, {program}: {output:?}");
    assert!(offered.contains(wanted), "{shell}, {program} {word}: {offered}");
}

#[test]
fn commands_are_completed_in_bash_fish_and_zsh() {
    for (shell, by) in [("bash", BASH), ("fish", FISH), ("zsh", ZSH)] {
        completes(shell, by, "hitl-wrap", ["unin", "uninstall"]);
        completes(shell, by, "hitl-hub", ["appro", "approvals"]);
    }
}

#[test]
fn both_programs_write_completions_for_powershell() {
    for (program, command) in [("hitl-wrap", "'uninstall'"), ("hitl-hub", "'approvals'")] {
        let written = Command::new(binary(program)).args(["completions", "powershell"]).output().unwrap();
        let script = String::from_utf8(written.stdout).unwrap();
        assert!(script.contains("Register-ArgumentCompleter") && script.contains(command), "{script}");
    }
}
