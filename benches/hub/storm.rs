//! After a regional outage every shim comes back: simulated, with the shim's own waits. `cargo bench --bench hub -- storm`.
//!
//! Deterministic: the same numbers every time. Each shim tries as `wrap::link` does, at a hub that a load balancer picks by
//! chance; a hub takes one connection after the other, at the rate that C2 measured, and whoever has not been welcomed in
//! time gives up and waits again, after which the hub has worked in vain.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use hitl::wrap::backoff::Backoff;
use hitl::wrap::link::CONNECT_WITHIN;

/// What one core of a hub welcomes in a second (C2 on 2026-11-28).
const WELCOMED_PER_SECOND: u64 = 4_600;
/// How long the outage is: by then every shim waits the longest wait.
const OUTAGE: Duration = Duration::from_secs(120);
/// What is held waits so long for its shim.
const RESUME_WITHIN: Duration = Duration::from_secs(15);
/// After so long it is given up.
const GIVEN_UP: Duration = Duration::from_secs(900);

/// How the network says no during the outage.
#[derive(Clone, Copy, PartialEq)]
enum Outage {
    /// At once, as a load balancer without hubs does.
    Refused,
    /// Not at all.
    Silent,
}

/// Prints the table of `docs/scale.md`.
pub fn measure() {
    println!(
        "| shims | hubs | network in the outage | most tries in one second | half back | 99 % back | all back | back within 15 s | connections in vain |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (shims, hubs) in [(10_000, 1), (100_000, 1), (100_000, 2), (100_000, 4), (1_000_000, 10)] {
        for outage in [Outage::Refused, Outage::Silent] {
            let Storm { mut back, tries, in_vain } = Storm::of(shims, hubs, outage);
            back.sort_unstable();
            let after = |share: usize| {
                back.get((shims * share).div_ceil(100) - 1)
                    .map_or("never".to_owned(), |at| format!("{:.1} s", at.as_secs_f64()))
            };
            let in_time = back.partition_point(|at| *at <= RESUME_WITHIN) * 100 / shims;
            let how = if outage == Outage::Refused { "refuses" } else { "is silent" };
            println!(
                "| {shims} | {hubs} | {how} | {} | {} | {} | {} | {in_time} % | {in_vain} |",
                tries.iter().max().unwrap(),
                after(50),
                after(99),
                after(100)
            );
        }
    }
}

/// What came of it; times are from the end of the outage.
struct Storm {
    back: Vec<Duration>,
    /// In each second.
    tries: Vec<usize>,
    in_vain: usize,
}

impl Storm {
    fn of(shims: usize, hubs: usize, outage: Outage) -> Self {
        let mut chance = Chance(0x5EED);
        let mut waits: Vec<Backoff> = (0..shims).map(|_| Backoff::default()).collect();
        // All lose their connection in the first second.
        let mut next: BinaryHeap<_> =
            (0..shims).map(|shim| Reverse((Duration::from_secs(1).mul_f64(chance.part()), shim))).collect();
        let (mut free_at, each) =
            (vec![OUTAGE; hubs], Duration::from_secs(1) / u32::try_from(WELCOMED_PER_SECOND).unwrap());
        let mut storm = Self { back: Vec::new(), tries: vec![0; 1], in_vain: 0 };
        while let Some(Reverse((at, shim))) = next.pop() {
            let mut again = |failed: Duration, chance: &mut Chance| {
                next.push(Reverse((failed + waits[shim].lost_by(chance.any()), shim)));
            };
            if at < OUTAGE {
                let answered = if outage == Outage::Refused { at } else { at + CONNECT_WITHIN };
                again(answered, &mut chance);
                continue;
            }
            if at > OUTAGE + GIVEN_UP {
                break;
            }
            let second = usize::try_from((at - OUTAGE).as_secs()).unwrap();
            storm.tries.resize(storm.tries.len().max(second + 1), 0);
            storm.tries[second] += 1;
            let hub = &mut free_at[chance.any() as usize % hubs];
            *hub = (*hub).max(at) + each;
            if *hub - at > CONNECT_WITHIN {
                storm.in_vain += 1;
                again(at + CONNECT_WITHIN, &mut chance);
            } else {
                storm.back.push(*hub - OUTAGE);
            }
        }
        storm
    }
}

/// The same numbers every time (splitmix64).
struct Chance(u64);

impl Chance {
    fn any(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        u32::try_from((mixed ^ mixed >> 31) >> 32).unwrap()
    }

    fn part(&mut self) -> f64 {
        f64::from(self.any()) / f64::from(u32::MAX)
    }
}
