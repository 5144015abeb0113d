//! How fast the host stream may append while space is short: as fast as the cleaner gains, so that writes slow down instead of
//! stopping.

/// What the host stream may append.
#[derive(Default)]
pub(super) struct Pace {
    is_on: bool,
    /// Row blocks that may be appended before the cleaner has gained more.
    allowance: u64,
}

impl Pace {
    /// From now on nothing is appended without allowance.
    pub(super) fn begin(&mut self) {
        self.is_on = true;
    }

    /// The stream appends what it likes again.
    pub(super) fn end(&mut self) {
        self.is_on = false;
    }

    /// The cleaner gained `blocks` row blocks; at most `most` are kept for a burst.
    pub(super) fn allow(&mut self, blocks: u64, most: u64) {
        self.allowance = (self.allowance + blocks).min(most);
    }

    /// Whether something may be appended: a batch that is begun is not cut short for want of allowance.
    pub(super) fn allows(&self) -> bool {
        !self.is_on || self.allowance > 0
    }

    /// So many row blocks were appended.
    pub(super) fn appended(&mut self, blocks: u64) {
        if self.is_on {
            self.allowance = self.allowance.saturating_sub(blocks);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_gained_is_appended() {
        let mut pace = Pace::default();
        pace.appended(1000);
        assert!(pace.allows(), "there is room enough");
        pace.begin();
        assert!(!pace.allows());
        pace.allow(10, 100);
        pace.appended(9);
        assert!(pace.allows());
        pace.appended(7);
        assert!(!pace.allows());
        pace.allow(1000, 100);
        pace.appended(99);
        assert!(pace.allows());
        pace.appended(1);
        assert!(!pace.allows(), "a burst is bounded");
        pace.end();
        assert!(pace.allows());
    }
}
