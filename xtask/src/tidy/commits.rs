//! A commit's subject fits into 72 columns.

use super::Finding;
use crate::tree::Tree;

const SUBJECT_COLUMNS_MAX: usize = 72;

/// Looks at the subject of every commit.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.commits
        .iter()
        .filter_map(|(id, subject)| {
            let columns = subject.chars().count();
            let message = format!("the subject has {columns} columns, {SUBJECT_COLUMNS_MAX} fit");
            (columns > SUBJECT_COLUMNS_MAX)
                .then(|| Finding::failure(format!("commit {id}"), message))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_subject_is_found() {
        let mut tree = Tree::default();
        tree.commits.push(("1".to_owned(), "a".repeat(72)));
        assert_eq!(check(&tree), []);
        tree.commits.push(("2".to_owned(), "ä".repeat(73)));
        assert_eq!(check(&tree)[0].place, "commit 2");
    }
}
