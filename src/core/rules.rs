//! Argument rules: conditions on the arguments of a call that gate or deny it.
//!
//! A rule that cannot be evaluated gates. Globs and regular expressions run in linear time.

use globset::{Glob, GlobMatcher};
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::NO_ARGUMENTS;
use super::json::says_nothing;
use super::pointer;

/// The most rules a server may have.
pub const MAX_RULES: usize = 200;
/// The most conditions a rule may have.
pub const MAX_CONDITIONS: usize = 20;
/// The longest pattern or pointer, in bytes.
pub const MAX_TEXT_BYTES: usize = 1024;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 500;
/// What a regular expression may take when it is made ready; `(.{1000}){1000}` would take gigabytes.
const MAX_REGEX_BYTES: usize = 512 << 10;

/// One rule, as it stands in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which tools, as a glob over the exact name.
    #[serde(default = "every_tool")]
    pub tool: String,
    /// All of these must hold; none at all always holds.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// What then happens.
    pub effect: Effect,
    /// Why, in words for card and log.
    #[serde(default)]
    pub description: String,
    /// Rules with a higher number are named first among the reasons.
    #[serde(default)]
    pub priority: i32,
}

fn every_tool() -> String {
    "*".into()
}

/// What a rule does to a call it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Require approval.
    Gate,
    /// Refuse.
    Deny,
}

/// One condition on the arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// A JSON pointer (RFC 6901) into the arguments.
    pub pointer: String,
    /// How to compare.
    pub op: Op,
    /// What to compare with; left out for `exists`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub value: Value,
    /// Turns the condition round.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not: bool,
}

/// How a condition compares. A missing member meets none of these, so it meets all of them with `not`.
/// Where a member's name only looks like the one that is meant (`Path` for `path`), nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Op {
    /// The same JSON value; numbers by value.
    Equals,
    /// A string that matches a glob; `*` does not cross `/`, `**` does.
    Glob,
    /// A string in which a regular expression finds a match.
    Regex,
    /// A string with that part, or an array with that element.
    Contains,
    /// A number below.
    Less,
    /// A number above.
    Greater,
    /// There is such a member, whatever its value.
    Exists,
}

/// What is wrong with a rule, and where: `rules[1].when[0].value`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {why}")]
pub struct RuleFault {
    /// The place in the list as it was sent.
    pub place: String,
    /// What is wrong there.
    pub why: String,
}

/// Rules made ready for evaluation.
#[derive(Debug, Default)]
pub struct Rules {
    ready: Vec<Ready>,
    /// The rules themselves cannot be read, so every call might be meant.
    broken: bool,
}

#[derive(Debug)]
struct Ready {
    tool: GlobMatcher,
    when: Vec<(Condition, Pattern)>,
    effect: Effect,
    name: String,
}

#[derive(Debug)]
enum Pattern {
    Glob(GlobMatcher),
    Regex(Regex),
    Number(f64),
    Value,
}

/// A rule that applies to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What the rule does to calls it matches.
    pub effect: Effect,
    /// It could not be evaluated, so it may or may not match.
    pub doubt: bool,
    /// Why, in words.
    pub reason: String,
}

/// Reads rules as they came in JSON; a fault is named with its place.
pub fn read(rules: &[Value]) -> Result<Vec<Rule>, RuleFault> {
    rules.iter().enumerate().map(|(index, rule)| read_rule(rule, &format!("rules[{index}]"))).collect()
}

fn read_rule(rule: &Value, place: &str) -> Result<Rule, RuleFault> {
    // The conditions alone first: only so does a fault in one of them get its own place.
    if let Some(when) = rule.get("when").and_then(Value::as_array) {
        for (index, condition) in when.iter().enumerate() {
            Condition::deserialize(condition)
                .map_err(|error| fault(format!("{place}.when[{index}]"), error.to_string()))?;
        }
    }
    Rule::deserialize(rule).map_err(|error| fault(place, error.to_string()))
}

impl Rules {
    /// Checks every rule and makes them ready.
    pub fn compile(rules: &[Rule]) -> Result<Self, RuleFault> {
        if rules.len() > MAX_RULES {
            return Err(fault("rules", format!("there are more than {MAX_RULES}")));
        }
        let mut ready = Vec::with_capacity(rules.len());
        for (index, rule) in rules.iter().enumerate() {
            if let Some(first) = rules[..index].iter().position(|earlier| earlier == rule) {
                return Err(fault(format!("rules[{index}]"), format!("the same as rules[{first}]")));
            }
            ready.push((rule.priority, Ready::of(rule, index)?));
        }
        ready.sort_by_key(|(priority, _)| std::cmp::Reverse(*priority));
        Ok(Self { ready: ready.into_iter().map(|(_, rule)| rule).collect(), broken: false })
    }

    /// Stands for rules that cannot be read: every call is in doubt.
    pub fn broken() -> Self {
        Self { ready: Vec::new(), broken: true }
    }

    /// Whether any rule looks at this tool, so that its calls must be seen before there is a verdict.
    pub fn concern(&self, tool: &str) -> bool {
        self.broken || self.ready.iter().any(|rule| rule.tool.is_match(tool))
    }

    /// The rules that apply to every call of this tool, whatever its arguments.
    pub fn always(&self, tool: &str) -> Vec<Hit> {
        let always = self.ready.iter().filter(|rule| rule.when.is_empty() && rule.tool.is_match(tool));
        always.map(|rule| Hit { effect: rule.effect, doubt: false, reason: rule.name.clone() }).collect()
    }

    /// What the rules that look at this tool may do to a call of it, in words.
    pub fn prospects(&self, tool: &str) -> Vec<String> {
        let concerned = self.ready.iter().filter(|rule| rule.tool.is_match(tool));
        let words = |rule: &Ready| match rule.effect {
            Effect::Gate => format!("waits where an argument rule matches: {}", rule.name),
            Effect::Deny => format!("denied where an argument rule matches: {}", rule.name),
        };
        match self.broken {
            true => vec!["this server's argument rules cannot be read".to_owned()],
            false => concerned.map(words).collect(),
        }
    }

    /// Whether any rule may deny calls of this tool.
    pub fn may_deny(&self, tool: &str) -> bool {
        self.broken || self.ready.iter().any(|rule| rule.effect == Effect::Deny && rule.tool.is_match(tool))
    }

    /// Whether any rule denies at all.
    pub fn deny_anything(&self) -> bool {
        self.broken || self.ready.iter().any(|rule| rule.effect == Effect::Deny)
    }

    /// The rules that apply to a call, in order; `arguments` is the raw JSON text.
    pub fn hits(&self, tool: &str, arguments: &str) -> Vec<Hit> {
        if self.broken {
            return vec![doubt(Effect::Deny, "this server's argument rules cannot be read".to_owned())];
        }
        let concerned: Vec<&Ready> = self.ready.iter().filter(|rule| rule.tool.is_match(tool)).collect();
        let Some(first) = concerned.first() else { return Vec::new() };
        let arguments = if says_nothing(arguments) { NO_ARGUMENTS } else { arguments };
        let Ok(arguments) = serde_json::from_str::<Value>(arguments) else {
            let denies = concerned.iter().find(|rule| rule.effect == Effect::Deny).unwrap_or(first);
            return vec![doubt(denies.effect, "the arguments could not be read by the argument rules".to_owned())];
        };
        concerned.into_iter().filter_map(|rule| rule.hit(&arguments)).collect()
    }
}

impl Ready {
    fn of(rule: &Rule, index: usize) -> Result<Self, RuleFault> {
        let place = format!("rules[{index}]");
        let tool = glob(&rule.tool, false).map_err(|why| fault(format!("{place}.tool"), why))?;
        if rule.when.len() > MAX_CONDITIONS {
            return Err(fault(format!("{place}.when"), format!("more than {MAX_CONDITIONS} conditions")));
        }
        let mut when = Vec::with_capacity(rule.when.len());
        for (index, condition) in rule.when.iter().enumerate() {
            let place = format!("{place}.when[{index}]");
            when.push((condition.clone(), Pattern::of(condition, &place)?));
        }
        if rule.description.chars().count() > MAX_DESCRIPTION || rule.description.contains('\0') {
            let why = format!("at most {MAX_DESCRIPTION} characters, and no NUL");
            return Err(fault(format!("{place}.description"), why));
        }
        let name = if rule.description.is_empty() { format!("rule {}", index + 1) } else { rule.description.clone() };
        Ok(Self { tool, when, effect: rule.effect, name })
    }

    fn hit(&self, arguments: &Value) -> Option<Hit> {
        for (condition, pattern) in &self.when {
            let found = pointer::find(arguments, &condition.pointer);
            match found.and_then(|found| pattern.holds(condition, found)) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(why) => {
                    let reason = format!("{}: cannot be evaluated ({} {why})", self.name, condition.pointer);
                    return Some(doubt(self.effect, reason));
                }
            }
        }
        Some(Hit { effect: self.effect, doubt: false, reason: self.name.clone() })
    }
}

impl Pattern {
    fn of(condition: &Condition, place: &str) -> Result<Self, RuleFault> {
        let pointer = &condition.pointer;
        if !(pointer.is_empty() || pointer.starts_with('/')) || pointer.len() > MAX_TEXT_BYTES {
            return Err(fault(format!("{place}.pointer"), "must be empty or start with /, as in RFC 6901"));
        }
        let place = format!("{place}.value");
        match condition.op {
            Op::Glob => text(condition, &place)
                .and_then(|text| glob(text, true).map(Self::Glob).map_err(|why| fault(place.clone(), why))),
            Op::Regex => text(condition, &place).and_then(|text| {
                RegexBuilder::new(text)
                    .size_limit(MAX_REGEX_BYTES)
                    .build()
                    .map(Self::Regex)
                    .map_err(|error| fault(place.clone(), invalid_regex(&error)))
            }),
            Op::Less | Op::Greater => {
                let number = condition.value.as_f64().ok_or_else(|| fault(place, "must be a number"))?;
                Ok(Self::Number(number))
            }
            Op::Exists if !condition.value.is_null() => Err(fault(place, "exists takes no value")),
            Op::Equals | Op::Contains | Op::Exists => Ok(Self::Value),
        }
    }

    /// Whether a condition holds; an error if the member is of a type that cannot be compared.
    fn holds(&self, condition: &Condition, found: Option<&Value>) -> Result<bool, String> {
        let holds = match found {
            None => false,
            Some(found) => self.meets(condition, found)?,
        };
        Ok(holds != condition.not)
    }

    fn meets(&self, condition: &Condition, found: &Value) -> Result<bool, String> {
        match (self, condition.op, found) {
            (_, Op::Exists, _) => Ok(true),
            (_, Op::Equals, found) => Ok(equal(found, &condition.value)),
            (Self::Glob(glob), _, Value::String(found)) => Ok(glob.is_match(found)),
            (Self::Regex(regex), _, Value::String(found)) => Ok(regex.is_match(found)),
            (Self::Number(bound), Op::Less, Value::Number(found)) => number(found).map(|found| found < *bound),
            (Self::Number(bound), Op::Greater, Value::Number(found)) => number(found).map(|found| found > *bound),
            (_, Op::Contains, Value::String(found)) => {
                condition.value.as_str().map(|part| found.contains(part)).ok_or_else(|| "is a string".into())
            }
            (_, Op::Contains, Value::Array(found)) => Ok(found.iter().any(|element| equal(element, &condition.value))),
            _ => Err(format!("is {}", kind(found))),
        }
    }
}

/// The library's words draw the place over several lines; the last of them says what is wrong.
fn invalid_regex(error: &regex::Error) -> String {
    let words = error.to_string();
    let last = words.lines().last().unwrap_or_default();
    format!("invalid regex: {}", last.strip_prefix("error: ").unwrap_or(last))
}

fn doubt(effect: Effect, reason: String) -> Hit {
    Hit { effect, doubt: true, reason }
}

fn text<'a>(condition: &'a Condition, place: &str) -> Result<&'a str, RuleFault> {
    let text = condition.value.as_str().ok_or_else(|| fault(place, "must be a string"))?;
    if text.len() > MAX_TEXT_BYTES {
        Err(fault(place, format!("longer than {MAX_TEXT_BYTES} bytes")))
    } else {
        Ok(text)
    }
}

fn glob(pattern: &str, separators: bool) -> Result<GlobMatcher, String> {
    if pattern.is_empty() || pattern.len() > MAX_TEXT_BYTES {
        return Err(format!("a glob has 1 to {MAX_TEXT_BYTES} bytes"));
    }
    let glob = globset::GlobBuilder::new(pattern).literal_separator(separators).backslash_escape(true).build();
    glob.map(|glob: Glob| glob.compile_matcher()).map_err(|error| format!("invalid glob: {error}"))
}

fn number(number: &serde_json::Number) -> Result<f64, String> {
    number.as_f64().ok_or_else(|| "is out of range".into())
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn fault(place: impl Into<String>, why: impl Into<String>) -> RuleFault {
    RuleFault { place: place.into(), why: why.into() }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
