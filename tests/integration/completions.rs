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
    std::fs::write(&script, written(program, shell)).unwrap();
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

fn written(program: &str, shell: &str) -> String {
    let output = Command::new(binary(program)).args(["completions", shell]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Read and not loaded, because no registry that the tests use has a PowerShell.
#[test]
fn both_programs_write_completions_for_powershell() {
    for (program, command) in [("hitl-wrap", "'uninstall'"), ("hitl-hub", "'approvals'")] {
        let script = written(program, "powershell");
        assert!(script.contains("Register-ArgumentCompleter") && script.contains(command), "{script}");
    }
}

#[test]
fn no_shell_offers_the_server_of_the_demo() {
    for shell in ["bash", "fish", "powershell", "zsh"] {
        let script = written("hitl-wrap", shell);
        assert!(script.contains("demo") && !script.contains("demo-server"), "{shell}: {script}");
    }
}
