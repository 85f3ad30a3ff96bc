//! The moves, tried in every order, and rows that contradict themselves.

use proptest::prelude::*;

use super::*;
use crate::core::ids::{ApprovalId, InstanceId};

fn holder(run: u8) -> Holder {
    Holder {
        request: ApprovalId(format!("r{run}")),
        instance: InstanceId::from(if run == 0 { "own" } else { "other" }),
    }
}

fn moves() -> impl Strategy<Value = Move> {
    let run = || (0..2_u8).prop_map(|run| holder(run).instance);
    let outcome = prop::sample::select(Outcome::ALL.to_vec());
    prop_oneof![
        (1..100_i64).prop_map(|grace_ms| Move::Approve { grace_ms }),
        Just(Move::Reject),
        (0..200_i64).prop_map(|deadline_at| Move::Extend { deadline_at }),
        Just(Move::TimeOut),
        Just(Move::Expire),
        (0..200_i64).prop_map(|until| Move::Stretch { until }),
        Just(Move::TakeBack),
        (0..100_i64).prop_map(|grant_ms| Move::Keep { grant_ms }),
        (0..2_u8, 0..100_i64).prop_map(|(run, grant_ms)| Move::Join { holder: holder(run), grant_ms }),
        run().prop_map(|by| Move::Release { by }),
        (run(), outcome).prop_map(|(by, outcome)| Move::Finish { by, outcome }),
        Just(Move::Lose),
    ]
}

proptest! {
    #[test]
    fn a_call_is_released_at_most_once_and_only_after_an_approval(
        story in prop::collection::vec((moves(), 0..20_i64), 0..40),
    ) {
        let mut life = Life::Pending { holder: Some(holder(0)), deadline_at: 100 };
        let (mut now, mut approvals, mut releases, mut over) = (0, 0, 0, false);
        for (what, passed) in story {
            now += passed;
            let Ok(next) = life.clone().after(what.clone(), now) else { continue };
            approvals += usize::from(matches!(what, Move::Approve { .. }));
            if let Life::Released { by } = &next {
                let Life::Approved { holder: Some(holder), grace_until, .. } = &life else { panic!("{life:?}") };
                prop_assert!(holder.instance == *by && *grace_until > now);
                releases += 1;
            }
            prop_assert!(releases <= approvals && approvals <= 1);
            prop_assert!(!over || matches!(next, Life::Ended(_)), "{life:?} came back as {next:?}");
            over = matches!(next, Life::Ended(_));
            life = next;
        }
    }

    #[test]
    fn nothing_but_a_person_approves(life_of in moves(), what in moves(), now in 0..200_i64) {
        let pending = Life::Pending { holder: Some(holder(0)), deadline_at: 100 };
        let life = pending.clone().after(life_of, now).unwrap_or(pending);
        let was_approved = matches!(life, Life::Approved { .. });
        if let Ok(Life::Approved { .. }) = life.after(what.clone(), now) {
            let by_a_person = matches!(what, Move::Approve { .. });
            prop_assert!(was_approved || by_a_person);
        }
    }
}

#[test]
fn rows_that_contradict_themselves_are_no_life() {
    let good = Columns {
        status: Status::Pending,
        outcome: Outcome::Waiting,
        kept: false,
        holder: holder(0),
        deadline_at: 10,
        decided_at: None,
        grace_until: None,
        released_by: None,
    };
    let by = || Some(holder(0).instance);
    assert!(Life::try_from(good.clone()).is_ok());
    let decided = Columns { status: Status::Approved, decided_at: Some(1), grace_until: Some(2), ..good.clone() };
    assert!(Life::try_from(decided.clone()).is_ok());
    for wrong in [
        Columns { outcome: Outcome::Released, ..good.clone() },
        Columns { outcome: Outcome::NotExecuted, ..good.clone() },
        Columns { decided_at: Some(1), ..good.clone() },
        Columns { released_by: by(), ..good },
        Columns { decided_at: None, ..decided.clone() },
        Columns { grace_until: None, ..decided.clone() },
        Columns { released_by: by(), ..decided.clone() },
        Columns { outcome: Outcome::Released, ..decided.clone() },
        Columns { outcome: Outcome::Succeeded, ..decided.clone() },
        Columns { outcome: Outcome::NotExecuted, kept: true, ..decided.clone() },
        Columns { status: Status::Rejected, ..decided.clone() },
        Columns { status: Status::TimedOut, ..decided.clone() },
        Columns { status: Status::Cancelled, outcome: Outcome::Unknown, released_by: by(), ..decided },
    ] {
        assert_eq!(Life::try_from(wrong.clone()), Err(Impossible), "{wrong:?}");
    }
}
