//! The commands themselves: plan, show, ask, do, and say what comes next.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;

use super::journal::Journal;
use super::place::{Scope, Surroundings, System};
use super::plan::{Action, Plan};
use super::status;
use super::survey::{Choice, Site, survey};
use super::{show, tree};
use crate::config::wrap::{Flags, HubAt, Wrap};
use crate::config::{env, paths};
use crate::wrap::local::{Local, hub_program};

/// Which files and servers.
#[derive(Args, Clone, Debug, Default)]
pub struct Selection {
    /// Only this client, such as claude-code or cursor; may be given several times
    #[arg(long = "client", value_name = "CLIENT")]
    clients: Vec<String>,
    /// Only this server, by its name in the client's file; may be given several times
    #[arg(long = "server", value_name = "NAME")]
    servers: Vec<String>,
    /// Only servers of this user, of this user in one project, or of a project
    #[arg(long, value_enum)]
    scope: Option<Scope>,
    /// Only this file, wherever it is
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
}

/// How to go about a change.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Manner {
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// Nothing to complain of, or nothing to do.
const FINE: u8 = 0;
/// A file could not be changed.
const FAULT: u8 = 1;
/// `status`: something is not gated.
const OPEN: u8 = 3;

/// What changes with `--remote`.
const BY_BRIDGE: &str = "Servers with a `url` are started through mcp-remote, which npx downloads: it signs in to them \
                         in a browser by itself and keeps what it gets in ~/.mcp-auth, and needs Node.\n";

/// `hitl-wrap install`
pub fn install(selection: Selection, remote: bool, manner: Manner) -> anyhow::Result<u8> {
    let shim = shim()?;
    let (home, choice) = (home()?, Choice { remote, ..selection.choice() });
    let mut journal = Journal::open(&paths::state_dir()?)?;
    let sites = with_surroundings(&home, |here| survey(here, &choice))?;
    for site in &sites {
        print(&show::by_hand(site.client, &site.path, &shim, &home).unwrap_or_default())?;
    }
    let sites: Vec<Site> = sites.into_iter().filter(|site| site.client.dialect != tree::Dialect::Yaml).collect();
    if sites.is_empty() {
        print("no client with a file of MCP servers was found; `--config PATH` names one\n")?;
        return Ok(FINE);
    }
    let plan = Plan::make(sites, &choice, Action::Install(&shim), &journal);
    if remote {
        print(BY_BRIDGE)?;
    }
    let done = carry_out(&plan, &mut journal, manner, &home, "put the shim in front of")?;
    if done == Some(FINE) && !plan.changes.is_empty() {
        let mut hints: Vec<_> =
            plan.changes.iter().map(|change| (change.client.title, change.client.restart)).collect();
        hints.dedup();
        let hints: String = hints.iter().map(|(title, hint)| format!("  {title}: {hint}\n")).collect();
        print(&format!(
            "Now:\n{hints}Then `hitl-hub open` shows the calls that wait; `hitl-wrap uninstall` undoes this.\n"
        ))?;
    }
    Ok(done.unwrap_or(FINE))
}

/// `hitl-wrap uninstall`
pub fn uninstall(selection: Selection, manner: Manner) -> anyhow::Result<u8> {
    let (home, choice) = (home()?, selection.choice());
    let mut journal = Journal::open(&paths::state_dir()?)?;
    let mut sites = with_surroundings(&home, |here| survey(here, &choice))?;
    // What was wrapped elsewhere: in another project, or by `--config`.
    let other = |journal: &Journal, sites: &[Site]| -> Vec<PathBuf> {
        let seen = |file: &Path| sites.iter().any(|site| site.read.as_ref().is_ok_and(|(found, _)| found.real == file));
        journal.records().iter().map(|record| record.file.clone()).filter(|file| !seen(file)).collect()
    };
    if choice.file.is_none() && choice.scope.is_none() {
        for file in other(&journal, &sites) {
            let client = journal.of(&file).map(|record| record.client.clone());
            let named = Choice { file: Some(file.clone()), clients: client.into_iter().collect(), ..choice.clone() };
            let mine = choice.clients.is_empty() || choice.clients == named.clients;
            match with_surroundings(&home, |here| survey(here, &named)) {
                Ok(found) if mine => sites.extend(found),
                Ok(_) => {}
                Err(_) if !file.exists() => journal.forget(&file)?,
                Err(error) => print(&format!("{}: left alone: {error:#}\n", file.display()))?,
            }
        }
    }
    sites.retain(|site| site.client.dialect != tree::Dialect::Yaml);
    let plan = Plan::make(sites, &choice, Action::Uninstall, &journal);
    let done = carry_out(&plan, &mut journal, manner, &home, "take the shim away from")?;
    if done == Some(FINE) && journal.records().is_empty() {
        print(&hub_ended())?;
        print(&what_remains(&home))?;
    }
    Ok(done.unwrap_or(FINE))
}

/// `hitl-wrap status`
pub fn status(selection: Selection, json: bool) -> anyhow::Result<u8> {
    let (home, choice) = (home()?, selection.choice());
    let sites = with_surroundings(&home, |here| survey(here, &choice))?;
    let sites: Vec<Site> = sites.into_iter().filter(|site| site.client.dialect != tree::Dialect::Yaml).collect();
    let mut rows = status::rows(&sites);
    if choice.is_everything() {
        rows.extend(status::elsewhere(&rows, &known_to_the_hub()));
    }
    rows.retain(|row| {
        choice.servers.is_empty() || row.server.as_ref().is_some_and(|name| choice.servers.contains(name))
    });
    if json {
        print(&(serde_json::to_string_pretty(&rows)? + "\n"))?;
    } else if rows.is_empty() {
        print("no MCP server was found in the file of any client\n")?;
    } else {
        print(&status::table(&rows, &home))?;
    }
    Ok(if status::is_open(&rows) { OPEN } else { FINE })
}

impl Selection {
    /// The same for the survey.
    pub fn choice(self) -> Choice {
        let Self { clients, servers, scope, config: file } = self;
        Choice { clients, servers, scope, file, remote: false }
    }
}

/// Shows the plan, asks, and does it; `None` when it was not to be done.
fn carry_out(
    plan: &Plan,
    journal: &mut Journal,
    manner: Manner,
    home: &Path,
    verb: &str,
) -> anyhow::Result<Option<u8>> {
    for change in &plan.changes {
        print(&show::change(change, home))?;
    }
    for left in &plan.left {
        print(&show::left(left, home))?;
    }
    let faults = plan.left.iter().any(|left| left.is_fault);
    let (servers, files) = (plan.changes.iter().map(|change| change.names.len()).sum::<usize>(), plan.changes.len());
    if files == 0 {
        print("there is nothing to do\n")?;
        return Ok(Some(if faults { FAULT } else { FINE }));
    }
    if manner.dry_run || !may(manner, &format!("{verb} {servers} server(s) in {files} file(s)?"))? {
        print("nothing was changed\n")?;
        return Ok(None);
    }
    let mut failed = faults;
    for change in &plan.changes {
        match change.make(journal) {
            Ok(()) => print(&format!("{}: {}\n", change.client.title, change.names.join(", ")))?,
            Err(error) => {
                failed = true;
                print(&format!("{}: {error:#}\n", change.client.title))?;
            }
        }
    }
    Ok(Some(if failed { FAULT } else { FINE }))
}

fn may(manner: Manner, question: &str) -> anyhow::Result<bool> {
    if manner.yes {
        return Ok(true);
    }
    if !std::io::stdin().is_terminal() {
        bail!("this is no terminal to ask on; say --yes to do it, or --dry-run to see it");
    }
    print(&format!("{question} [y/N] "))?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// The path under which clients are to start the shim: one that stays when a package manager upgrades it.
fn shim() -> anyhow::Result<String> {
    let own = std::env::current_exe().context("cannot find this program's own path")?;
    let real = own.canonicalize().unwrap_or_else(|_| own.clone());
    let name = own.file_name().map(PathBuf::from).unwrap_or_default();
    let on_path = env::os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&on_path).filter(|dir| dir.is_absolute()).map(|dir| dir.join(&name));
    let stable = candidates.find(|path| path.canonicalize().is_ok_and(|path| path == real));
    let path = stable.unwrap_or(own);
    path.into_os_string().into_string().map_err(|path| anyhow::anyhow!("this program's path {path:?} is not UTF-8"))
}

/// Ends this user's own hub, which nobody needs any more; what it says, if it ran.
fn hub_ended() -> String {
    let Some(data) = local_data().filter(|data| Local::new(data.clone(), None).runs()) else { return String::new() };
    match std::process::Command::new(hub_program()).arg("stop").arg("--data-dir").arg(data).output() {
        Ok(output) => format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
        Err(error) => format!("the hub on this machine goes on: cannot run hitl-hub stop: {error}\n"),
    }
}

/// The servers that this user's own hub has a policy for; none where there is no such hub, or where it cannot be asked.
fn known_to_the_hub() -> Vec<String> {
    let Some(data) = local_data().filter(|data| data.exists()) else { return Vec::new() };
    let mut list = std::process::Command::new(hub_program());
    let listed = list.args(["server", "list", "--json", "--data-dir"]).arg(data).output();
    listed.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok()).unwrap_or_default()
}

/// Where this user's own hub keeps its data; `None` where the shim is told of a hub elsewhere.
fn local_data() -> Option<PathBuf> {
    let settings = Wrap::load(Flags::default(), "server", &env::var).ok()?;
    match settings.hub {
        HubAt::Local { data_dir, .. } => Some(data_dir),
        HubAt::Remote { .. } => None,
    }
}

fn what_remains(home: &Path) -> String {
    let data = local_data().filter(|data| data.exists()).map(|path| show::tilde(&path, home));
    let data = data.map_or_else(String::new, |data| {
        format!("The hub's approvals and record stay in {data}; remove that directory if you want them gone.\n")
    });
    format!(
        "No client starts the shim any more; restart those that run, or they start the hub again.\n\
         {data}\
         The programs are removed with `cargo uninstall hitl`, or as they were installed.\n"
    )
}

/// This user's home directory.
pub fn home() -> anyhow::Result<PathBuf> {
    let dirs = directories::BaseDirs::new().context("cannot find this user's home directory; set HOME")?;
    Ok(dirs.home_dir().to_owned())
}

/// Looks around from here.
pub fn with_surroundings<T>(
    home: &Path,
    look: impl FnOnce(&Surroundings<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let project = std::env::current_dir().context("cannot find the working directory")?;
    look(&Surroundings { system: System::here(), home: home.to_owned(), project, env: &env::var })
}

/// Writes to stdout; a reader that has gone away is no fault.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(()),
    }
}
