//! The table: for each metric the median, and the median of the ratios taken inside each round.

use super::measure::{Metric, Sample};
use super::subject::Subject;

const ROWS: [(Metric, &str); 11] = [
    (Metric::P50, "call p50 µs"),
    (Metric::P99, "call p99 µs"),
    (Metric::Cpu, "CPU per call µs"),
    (Metric::InFlight, "64 in flight, calls/s"),
    (Metric::List, "tools/list of 200 µs"),
    (Metric::NewList, "the same, one tool new µs"),
    (Metric::LargeResult, "1 MiB result, MiB/s"),
    (Metric::LargeArgument, "1 MiB argument, MiB/s"),
    (Metric::Start, "spawn to initialize ms"),
    (Metric::End, "exit after EOF ms"),
    (Metric::Rss, "peak RSS MiB"),
];

/// Prints a Markdown table.
pub fn print(subjects: &[Subject], samples: &[Sample], pinned: bool) {
    println!(
        "Each cell: median, × nothing, × raw-peek{}.\n",
        if pinned { "; pinned to one core" } else { "; NOT pinned" }
    );
    let names: Vec<&str> = subjects.iter().map(|subject| subject.name).collect();
    println!("| | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(names.len()));
    let nothing = names.iter().position(|name| *name == "nothing").unwrap();
    let peek = names.iter().position(|name| *name == "raw-peek").unwrap();
    for (metric, title) in ROWS.into_iter().filter(|(metric, _)| samples.iter().any(|sample| sample.metric == *metric))
    {
        let cells: Vec<String> = (0..names.len())
            .map(|subject| {
                let Some(value) = median(values(samples, metric, subject).map(|(_, value)| value)) else {
                    return String::new();
                };
                let ratio = |to| {
                    median(ratios(samples, metric, subject, to)).map_or(String::from("–"), |r| format!("{r:.2}"))
                };
                format!("{} · {} · {}", short(value), ratio(nothing), ratio(peek))
            })
            .collect();
        println!("| {title} | {} |", cells.join(" | "));
    }
}

fn values(samples: &[Sample], metric: Metric, subject: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
    let of = move |sample: &&Sample| sample.metric == metric && sample.subject == subject;
    samples.iter().filter(of).map(|sample| (sample.round, sample.value))
}

fn ratios(samples: &[Sample], metric: Metric, subject: usize, to: usize) -> impl Iterator<Item = f64> + '_ {
    values(samples, metric, subject).filter_map(move |(round, value)| {
        let (_, base) = values(samples, metric, to).find(|(of, _)| *of == round)?;
        Some(value / base)
    })
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn short(value: f64) -> String {
    match value {
        value if value >= 1000.0 => format!("{value:.0}"),
        value if value >= 100.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
