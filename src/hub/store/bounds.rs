//! The bounds of the activity log. What is over them goes in small pieces, between which everybody gets their turn; what
//! goes is looked for beside the writer.

use super::{PIECE, Store, StoreError, Turn};

/// How many calls of one agent the log keeps, and how many of all of them.
const KEPT: Most = Most { of_one: 20_000, of_all: 100_000 };
/// How many of them with their arguments.
const KEPT_WHOLE: Most = Most { of_one: 2_000, of_all: 10_000 };
/// Every so many rows the log is cut, by as large a part more than it must: counting reads all of it.
const CUT_EVERY: i64 = 1_000;

/// Something of which the log has too much.
struct Cut {
    most: Most,
    /// How much of it each agent has.
    count: &'static str,
    /// The newest that goes, of an agent that keeps so many.
    until: &'static str,
    /// The last of the next piece that goes, after the one before.
    piece: &'static str,
    cut: &'static str,
}

const ROWS: Cut = Cut {
    most: KEPT,
    count: "select client_id, count(*) from activity group by client_id",
    until: "select id from activity where client_id = $1 order by id desc limit 1 offset $2",
    piece: "select max(id) from (select id from activity where client_id = $1 and id > $2 and id <= $3 \
            order by id limit $4) piece",
    cut: "delete from activity where client_id = $1 and id > $2 and id <= $3",
};

const ARGUMENTS: Cut = Cut {
    most: KEPT_WHOLE,
    count: "select client_id, count(*) from activity where arguments is not null group by client_id",
    until: "select id from activity where client_id = $1 and arguments is not null order by id desc limit 1 offset $2",
    piece: "select max(id) from (select id from activity where client_id = $1 and arguments is not null and id > $2 \
            and id <= $3 order by id limit $4) piece",
    cut: "update activity set arguments = null where client_id = $1 and arguments is not null and id > $2 and id <= $3",
};

impl Store {
    /// Drops the oldest rows of the agents that have most, so that none pushes out what is known of another; and of those
    /// that stay, the arguments of the oldest. `last` and `now_last` are the newest rows before and after an append.
    pub async fn bound_activity(&self, last: i64, now_last: i64) -> Result<(), StoreError> {
        if last / CUT_EVERY == now_last / CUT_EVERY {
            return Ok(());
        }
        self.shrink(&ROWS).await?;
        self.shrink(&ARGUMENTS).await
    }

    /// Cuts what agents have down to their share.
    async fn shrink(&self, what: &Cut) -> Result<(), StoreError> {
        let counts: Vec<(String, i64)> = sqlx::query_as(what.count).fetch_all(self.read()).await?;
        let share = what.most.share(counts.iter().map(|(_, count)| *count).collect());
        for (agent, _) in counts.into_iter().filter(|(_, count)| *count > share) {
            self.shrink_agent(what, agent, share).await?;
        }
        Ok(())
    }

    async fn shrink_agent(&self, what: &Cut, agent: String, share: i64) -> Result<(), StoreError> {
        let until = sqlx::query_scalar(what.until).bind(agent.as_str()).bind(share);
        let Some(until): Option<i64> = until.fetch_optional(self.read()).await? else { return Ok(()) };
        let mut after = 0;
        loop {
            let next = sqlx::query_scalar(what.piece).bind(agent.as_str()).bind(after).bind(until);
            let next: Option<i64> = next.bind(PIECE as i64).fetch_one(self.read()).await?;
            let Some(next) = next else { return Ok(()) };
            let (agent, cut, first) = (agent.clone(), what.cut, std::mem::replace(&mut after, next));
            self.write_in(Turn::Upkeep, PIECE, move |tx| {
                Box::pin(async move {
                    sqlx::query(cut).bind(agent).bind(first).bind(next).execute(tx.sql()).await?;
                    Ok::<_, StoreError>(())
                })
            })
            .await?;
        }
    }
}

/// How many of something one agent may have, and all of them.
struct Most {
    of_one: i64,
    of_all: i64,
}

impl Most {
    /// How many each agent may keep so that all of them fit: who has fewer leaves room to the others.
    fn share(&self, mut counts: Vec<i64>) -> i64 {
        counts.sort_unstable();
        let margin = self.of_one / 20;
        let (mut room, mut agents) = (self.of_all - margin, i64::try_from(counts.len()).unwrap_or(i64::MAX));
        for count in counts {
            if count > room / agents {
                return (room / agents).clamp(1, self.of_one - margin);
            }
            (room, agents) = (room - count, agents - 1);
        }
        self.of_one - margin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_most_makes_room_first() {
        assert_eq!(KEPT.share(vec![]), 19_000);
        assert_eq!(KEPT.share(vec![1_000_000, 3]), 19_000, "one agent has a bound of its own");
        assert_eq!(KEPT.share(vec![10_000; 9]), 19_000, "all fit");
        assert_eq!(KEPT.share(vec![20_000, 20_000, 20_000, 20_000, 20_000, 9_000]), 18_000);
        assert_eq!(KEPT.share(vec![2; 100_000]), 1, "every agent keeps its last");
    }
}
