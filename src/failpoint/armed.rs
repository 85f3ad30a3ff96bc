//! What `HITL_FAILPOINT` and `HITL_FAILPOINT_LOG` ask for.

use std::fmt::Debug;
use std::fs::File;
use std::io::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::config::{env, private};

struct Plan {
    point: Option<Point>,
    log: Option<File>,
}

#[derive(Debug)]
struct Point {
    name: String,
    /// How often it is still to be reached.
    left: AtomicU32,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Kill,
    Stop,
}

/// The place is named only where somebody wants to know.
pub(super) fn reach(name: impl FnOnce() -> String) {
    static PLAN: LazyLock<Option<Plan>> = LazyLock::new(plan);
    let Some(plan) = &*PLAN else { return };
    let name = name();
    if let Some(mut log) = plan.log.as_ref() {
        log.write_all(format!("{name}\n").as_bytes()).expect("HITL_FAILPOINT_LOG can be written");
    }
    if let Some(point) = plan.point.as_ref().filter(|point| point.name == name)
        && point.left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        point.end.now();
    }
}

fn plan() -> Option<Plan> {
    let point = env::var("HITL_FAILPOINT").map(|text| {
        Point::read(&text).unwrap_or_else(|| panic!("HITL_FAILPOINT={text} is not NAME[:COUNT]=kill|stop"))
    });
    let log = env::os("HITL_FAILPOINT_LOG").map(|path| {
        let log = private::options().create(true).append(true).open(path);
        log.unwrap_or_else(|error| panic!("HITL_FAILPOINT_LOG cannot be opened: {error}"))
    });
    (point.is_some() || log.is_some()).then_some(Plan { point, log })
}

impl Point {
    fn read(text: &str) -> Option<Self> {
        let (place, end) = text.rsplit_once('=')?;
        let end = match end {
            "kill" => End::Kill,
            "stop" => End::Stop,
            _ => return None,
        };
        let counted = place.rsplit_once(':').and_then(|(name, count)| Some((name, count.parse::<u32>().ok()?)));
        let (name, count) = counted.unwrap_or((place, 1));
        Some(Self { name: name.to_owned(), left: AtomicU32::new(count), end })
    }
}

impl End {
    #[cfg(unix)]
    fn now(self) {
        use rustix::process::{Signal, getpid, kill_process};
        let signal = if self == Self::Kill { Signal::KILL } else { Signal::STOP };
        kill_process(getpid(), signal).expect("a process may send signals to itself");
        // It takes effect a moment later; nothing more may happen meanwhile.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }

    #[cfg(not(unix))]
    fn now(self) {
        std::process::abort();
    }
}

/// `people::find` of a closure in `hitl::hub::people::People::find::{{closure}}`, in `hitl::hub::people::<impl …>::find` and
/// in `<hitl::hub::people::People as …>::find`.
pub(super) fn function(closure: &str) -> String {
    let of_trait = closure.strip_prefix('<').and_then(|rest| rest.split_once(" as "));
    let module = of_trait.and_then(|(of, _)| of.rsplit_once("::")).map_or("", |(module, _)| module);
    let closure = format!("{module}::{closure}");
    let (mut plain, mut depth) = (String::new(), 0_u32);
    for c in closure.chars() {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    // The names of types are left out.
    let parts = plain.split("::").filter(|part| part.starts_with(|c: char| c.is_lowercase() || c == '_'));
    let parts: Vec<&str> = parts.skip_while(|part| matches!(*part, "hitl" | "hub")).collect();
    parts.join("::")
}

/// `ToHub.Cancel` of `ToHub(Cancel(Cancel { … }))`.
pub(super) fn kind(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '(').unwrap_or(text.len());
    let mut names: Vec<&str> = text[..end].split('(').filter(|name| name.starts_with(char::is_uppercase)).collect();
    names.dedup();
    names.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_after_what_is_there() {
        let closure =
            "hitl::hub::approvals::hold::<impl hitl::hub::approvals::Approvals>::release::{{closure}}::{{closure}}";
        assert_eq!(function(closure), "approvals::hold::release");
        assert_eq!(function("hitl::hub::store::leases::beat_with<a::B>::{{closure}}"), "store::leases::beat_with");
        assert_eq!(function("hitl::hub::agents::Agents::add_agent::{{closure}}::{{closure}}"), "agents::add_agent");
        let of_trait = "<hitl::hub::people::Sessions as a::Store>::save::{{closure}}::{{closure}}";
        assert_eq!(function(of_trait), "people::save");
        assert_eq!(kind(&Some(vec![1])), "Some");
        assert_eq!(kind(&Some(Some(End::Kill))), "Some.Kill");
    }

    #[test]
    fn a_point_is_read_with_and_without_a_count() {
        let read = |text: &str| Point::read(text).map(|point| (point.name, point.left.into_inner(), point.end));
        assert_eq!(read("a::b=kill"), Some(("a::b".to_owned(), 1, End::Kill)));
        assert_eq!(read("a::b:3=stop"), Some(("a::b".to_owned(), 3, End::Stop)));
        assert_eq!(read("a::b"), None);
        assert_eq!(read("a::b=die"), None);
    }
}
