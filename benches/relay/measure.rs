//! Interleaved rounds with rotated order: the machine's speed drifts, so only ratios inside one round count.

use std::time::Duration;

use super::echo::LARGE;
use super::subject::{Running, Subject};

/// How much to measure.
pub struct Plan {
    /// Whether the subjects get socket pairs and not pipes.
    pub sockets: bool,
    rounds: usize,
    calls: usize,
    in_flight_calls: usize,
    starts: usize,
}

impl Plan {
    /// `--quick` for a look, nothing for numbers to write down, `--sockets` to talk as Node clients do; cargo's own
    /// `--bench` is ignored.
    pub fn from_args(args: &[String]) -> Self {
        let given = |flag: &str| args.iter().any(|arg| arg == flag);
        let sockets = given("--sockets");
        if given("--quick") {
            Self { sockets, rounds: 3, calls: 500, in_flight_calls: 5_000, starts: 5 }
        } else {
            Self { sockets, rounds: 15, calls: 4_000, in_flight_calls: 30_000, starts: 20 }
        }
    }
}

/// What is measured; every row of the report is one of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Median round trip in µs.
    P50,
    /// 99th percentile in µs.
    P99,
    /// CPU of the subject per call in µs.
    Cpu,
    /// Calls per second with 64 in flight.
    InFlight,
    /// List of 200 tools, known already, in µs.
    List,
    /// List of 200 tools, one of them new, in µs.
    NewList,
    /// MiB per second of a large result.
    LargeResult,
    /// MiB per second of a large argument.
    LargeArgument,
    /// Spawn to the answer of `initialize` in ms.
    Start,
    /// End of stdin to the end of the process in ms.
    End,
    /// Peak memory in MiB.
    Rss,
}

/// One value: round, subject, metric.
pub struct Sample {
    /// Which round; ratios are taken inside one.
    pub round: usize,
    /// Index of the subject.
    pub subject: usize,
    /// What.
    pub metric: Metric,
    /// How much, in the metric's unit.
    pub value: f64,
}

/// What there is to say about relays that answer in a form of their own, and take a thousand times longer.
pub fn side_by_side(subjects: &[Subject], quick: bool) -> Vec<Sample> {
    let (rounds, calls) = if quick { (2, 50) } else { (7, 300) };
    let mut samples = Vec::new();
    for round in 0..rounds {
        for subject in rotated(subjects.len(), round) {
            let mut push = |metric, value| samples.push(Sample { round, subject, metric, value });
            let (mut running, start) = subjects[subject].start();
            push(Metric::Start, start.as_secs_f64() * 1e3);
            running.list_tools();
            for id in 0..calls {
                running.call(id);
            }
            let before = running.cpu();
            let mut times: Vec<Duration> = (0..calls).map(|id| running.call(id)).collect();
            if let (Some(before), Some(after)) = (before, running.cpu()) {
                push(Metric::Cpu, micros(after - before) / calls as f64);
            }
            push(Metric::P50, micros(percentile(&mut times, 50)));
            push(Metric::P99, micros(percentile(&mut times, 99)));
            push(Metric::LargeResult, 1.0 / median_of(5, || running.large_result()).as_secs_f64());
            running.peak_rss().into_iter().for_each(|kib| push(Metric::Rss, kib / 1024.0));
            running.end();
        }
    }
    samples
}

/// Everything there is to say about the subjects.
pub fn all(subjects: &[Subject], plan: &Plan) -> Vec<Sample> {
    let mut samples = starts(subjects, plan);
    samples.extend(rounds(subjects, plan));
    samples
}

fn starts(subjects: &[Subject], plan: &Plan) -> Vec<Sample> {
    let mut samples = Vec::new();
    for round in 0..plan.starts {
        for subject in rotated(subjects.len(), round) {
            let (running, start) = subjects[subject].start();
            let end = running.end();
            for (metric, time) in [(Metric::Start, start), (Metric::End, end)] {
                samples.push(Sample { round, subject, metric, value: time.as_secs_f64() * 1e3 });
            }
        }
    }
    samples
}

fn rounds(subjects: &[Subject], plan: &Plan) -> Vec<Sample> {
    let measured: Vec<usize> = (0..subjects.len()).filter(|n| !subjects[*n].start_up_only).collect();
    let mut running: Vec<Running> = measured.iter().map(|n| subjects[*n].start().0).collect();
    running.iter_mut().for_each(Running::warm_up);
    let text = "large argument ".repeat(LARGE / 15);
    let mut samples = Vec::new();
    for round in 0..plan.rounds {
        for n in rotated(running.len(), round) {
            let mut push = |metric, value| samples.push(Sample { round, subject: measured[n], metric, value });
            one_round(&mut running[n], plan, &text, &mut push);
        }
    }
    for (n, running) in running.into_iter().enumerate() {
        let peak = running.peak_rss().map(|kib| kib / 1024.0);
        samples.extend(peak.map(|value| Sample { round: 0, subject: measured[n], metric: Metric::Rss, value }));
        running.end();
    }
    samples
}

fn one_round(running: &mut Running, plan: &Plan, text: &str, push: &mut impl FnMut(Metric, f64)) {
    let before = running.cpu();
    let mut times: Vec<Duration> = (0..plan.calls).map(|id| running.call(id)).collect();
    if let (Some(before), Some(after)) = (before, running.cpu()) {
        push(Metric::Cpu, micros(after - before) / plan.calls as f64);
    }
    push(Metric::P50, micros(percentile(&mut times, 50)));
    push(Metric::P99, micros(percentile(&mut times, 99)));
    push(Metric::InFlight, running.pipeline(plan.in_flight_calls));
    push(Metric::List, micros(median_of(60, || running.list_tools())));
    push(Metric::NewList, micros(median_of(60, || running.list_new_tools())));
    push(Metric::LargeResult, 1.0 / median_of(10, || running.large_result()).as_secs_f64());
    push(Metric::LargeArgument, 1.0 / median_of(10, || running.large_argument(text)).as_secs_f64());
}

fn rotated(count: usize, by: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |n| (n + by) % count)
}

fn median_of(count: usize, mut measure: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..count).map(|_| measure()).collect();
    percentile(&mut times, 50)
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
