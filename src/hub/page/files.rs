//! Which files the page is made of, and their bytes: those of the time of building, or in debug builds what lies in the
//! folder now, so that a change of the page needs no compiler. A build for Windows always has its own, because it is made
//! on another system, whose folder it would not find.

use std::borrow::Cow;

/// A file below `assets/`.
pub(super) struct Listed {
    /// Where it lies below the folder, with `/` between.
    pub(super) path: &'static str,
    /// What is in it; nothing if the folder of a debug build is gone.
    pub(super) bytes: fn() -> Option<Cow<'static, [u8]>>,
}

#[cfg(any(windows, not(debug_assertions)))]
macro_rules! bytes {
    ($path:literal) => {
        || Some(Cow::Borrowed(include_bytes!(concat!("assets/", $path)).as_slice()))
    };
}

#[cfg(not(any(windows, not(debug_assertions))))]
macro_rules! bytes {
    ($path:literal) => {
        || std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/src/hub/page/assets/", $path)).ok().map(Cow::Owned)
    };
}

macro_rules! files {
    ($($path:literal,)*) => {
        /// All files that are served, by name.
        pub(super) static FILES: &[Listed] = &[$(Listed { path: $path, bytes: bytes!($path) },)*];
    };
}

// A new file of the page is written here; notes and types beside the code are for those who work on it.
files! {
    "app.js",
    "browser/clock.js",
    "browser/filter.js",
    "browser/guard.js",
    "browser/half.js",
    "browser/keeper.js",
    "browser/keys.js",
    "browser/prefs.js",
    "browser/router.js",
    "browser/sight.js",
    "browser/store.js",
    "browser/ui.js",
    "components/agent.js",
    "components/arguments.js",
    "components/batchbar.js",
    "components/card.js",
    "components/choose.js",
    "components/compare.js",
    "components/controls.js",
    "components/copy.js",
    "components/countdown.js",
    "components/decision.js",
    "components/dialog.js",
    "components/diff.js",
    "components/drift.js",
    "components/export.js",
    "components/filters.js",
    "components/find.js",
    "components/help.js",
    "components/insights.js",
    "components/limits.js",
    "components/line.js",
    "components/list.js",
    "components/nothing.js",
    "components/password.js",
    "components/policy.js",
    "components/reject.js",
    "components/removal.js",
    "components/rules.js",
    "components/sessions.js",
    "components/settings.js",
    "components/shell.js",
    "components/simulate.js",
    "components/start.js",
    "components/string.js",
    "components/sweep.js",
    "components/tabs.js",
    "components/text.js",
    "components/tools.js",
    "components/ungated.js",
    "components/view.js",
    "components/who.js",
    "css/card.css",
    "css/frame.css",
    "css/narrow.css",
    "css/parts.css",
    "css/screens.css",
    "css/values.css",
    "hub/api.js",
    "hub/decide.js",
    "hub/live.js",
    "hub/load.js",
    "hub/looking.js",
    "hub/notify.js",
    "hub/pending.js",
    "hub/presence.js",
    "hub/push.js",
    "hub/share.js",
    "hub/sse.js",
    "icons/0.svg",
    "icons/1.svg",
    "icons/2.svg",
    "icons/3.svg",
    "icons/4.svg",
    "icons/5.svg",
    "icons/6.svg",
    "icons/7.svg",
    "icons/8.svg",
    "icons/9.svg",
    "icons/app-192.png",
    "icons/app-512.png",
    "icons/app-maskable.png",
    "icons/app-touch.png",
    "icons/badge.png",
    "icons/many.svg",
    "index.html",
    "manifest.webmanifest",
    "rules/arrange.js",
    "rules/csv.js",
    "rules/difference.js",
    "rules/find.js",
    "rules/fold.js",
    "rules/format.js",
    "rules/gates.js",
    "rules/glyphs.js",
    "rules/insights.js",
    "rules/queue.js",
    "rules/risky.js",
    "rules/tokens.js",
    "rules/types.js",
    "rules/ungated.js",
    "screens/activity.js",
    "screens/agents.js",
    "screens/approval.js",
    "screens/enrol.js",
    "screens/guide.js",
    "screens/history.js",
    "screens/notifications-browsers.js",
    "screens/notifications-form.js",
    "screens/notifications-kinds.js",
    "screens/notifications.js",
    "screens/pending-keys.js",
    "screens/pending.js",
    "screens/server.js",
    "screens/servers.js",
    "screens/signin.js",
    "screens/users.js",
    "sw.js",
    "vendor/LICENSE-htm",
    "vendor/LICENSE-preact",
    "vendor/hooks.js",
    "vendor/htm.js",
    "vendor/preact.js",
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::FILES;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/hub/page/assets");

    fn names(folder: &Path, found: &mut Vec<String>) {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                names(&path, found);
                continue;
            }
            let name = path.strip_prefix(FOLDER).unwrap().to_str().unwrap().replace('\\', "/");
            if ![".md", ".d.ts"].iter().any(|end| name.ends_with(end)) {
                found.push(name);
            }
        }
    }

    #[test]
    fn all_of_the_folder_and_nothing_else_is_listed() {
        let mut found = Vec::new();
        names(Path::new(FOLDER), &mut found);
        found.sort();
        let listed: Vec<_> = FILES.iter().map(|file| file.path).collect();
        assert_eq!(listed, found, "src/hub/page/files.rs lists the files of the page");
    }
}
