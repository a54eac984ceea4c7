//! The rate budget of an account-region: `BUD#<account>#<region>` / `CLOUDFORMATION`.

use super::Record;
use super::common::{parsed, time};
use crate::ports::Key;
use flotilla_domain::Site;
use flotilla_domain::deployment::rate_budget::RateBudget;
use serde::{Deserialize, Serialize};

/// A rate budget and its account-region.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetRecord {
    /// The account-region.
    pub site: Site,
    /// The budget.
    pub budget: RateBudget,
}

/// The key of an account-region's budget.
pub fn budget_key(site: &Site) -> Key {
    Key::new(format!("BUD#{}#{}", site.account, site.region), "CLOUDFORMATION")
}

#[derive(Serialize, Deserialize)]
pub struct StoredBudget {
    format: u32,
    target: String,
    /// In calls per thousand seconds.
    ceiling_per_ks: i64,
    throttled_at: String,
    /// In thousandths of a call.
    calls_thousandths: i64,
    counted_at: String,
    next_number: u64,
    served: u64,
}

#[expect(clippy::cast_possible_truncation, reason = "it is far below 2^52")]
fn thousandths(number: f64) -> i64 {
    (number * 1_000.0).round() as i64
}

#[expect(clippy::cast_precision_loss, reason = "it is far below 2^52")]
fn number(thousandths: i64) -> f64 {
    thousandths as f64 / 1_000.0
}

impl Record for BudgetRecord {
    type Stored = StoredBudget;

    fn key(&self) -> Key {
        budget_key(&self.site)
    }

    fn to_stored(&self) -> StoredBudget {
        let RateBudget { ceiling_per_s, throttled_at, calls, counted_at, next_number, served } = self.budget;
        StoredBudget {
            format: 1,
            target: self.site.to_string(),
            ceiling_per_ks: thousandths(ceiling_per_s),
            throttled_at: throttled_at.to_string(),
            calls_thousandths: thousandths(calls),
            counted_at: counted_at.to_string(),
            next_number,
            served,
        }
    }

    fn from_stored(stored: StoredBudget) -> Result<Self, String> {
        Ok(Self {
            site: parsed("target", Site::parse(&stored.target))?,
            budget: RateBudget {
                ceiling_per_s: number(stored.ceiling_per_ks),
                throttled_at: time(&stored.throttled_at)?,
                calls: number(stored.calls_thousandths),
                counted_at: time(&stored.counted_at)?,
                next_number: stored.next_number,
                served: stored.served,
            },
        })
    }
}
