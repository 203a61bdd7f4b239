use crate::{
    PublicKey,
    ssb::store::{Contact, Stance},
};
use std::collections::{HashMap, HashSet};

/// Who blocks whom, known on every shard so that nobody waits to learn whether a peer may have a message: what an author says
/// is kept from those whom the author blocks.
#[derive(Default)]
pub(crate) struct Blocks {
    /// Authors, by whom they block.
    authors: HashMap<PublicKey, HashSet<PublicKey>>,
}

impl Blocks {
    /// Out of the contacts of a store.
    pub(super) fn load(contacts: &[Contact]) -> Self {
        let mut blocks = Self::default();
        for contact in contacts.iter().filter(|contact| contact.stance == Stance::Blocks) {
            blocks.set(&contact.author, &contact.target, true);
        }
        blocks
    }

    /// Whether `author` blocks `target`.
    pub(crate) fn has(&self, author: &PublicKey, target: &PublicKey) -> bool {
        self.authors.get(target).is_some_and(|authors| authors.contains(author))
    }

    pub(super) fn set(&mut self, author: &PublicKey, target: &PublicKey, blocks: bool) {
        if blocks {
            self.authors.entry(*target).or_default().insert(*author);
        } else if let Some(authors) = self.authors.get_mut(target) {
            authors.remove(author);
            if authors.is_empty() {
                self.authors.remove(target);
            }
        }
    }

    /// Forgets whom an author blocks.
    pub(super) fn forget(&mut self, author: &PublicKey) {
        self.authors.retain(|_, authors| {
            authors.remove(author);
            !authors.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_lasts_until_it_is_taken_back_or_its_author_forgotten() {
        let [a, b, c] = [1, 2, 3].map(|number| PublicKey([number; 32]));
        let of = |stance, author, target| Contact { author, target, stance };
        let mut blocks = Blocks::load(&[of(Stance::Blocks, a, b), of(Stance::Follows, a, c)]);
        blocks.set(&c, &b, true);
        assert!(blocks.has(&a, &b) && blocks.has(&c, &b) && !blocks.has(&a, &c) && !blocks.has(&b, &a));
        blocks.set(&c, &b, false);
        assert!(!blocks.has(&c, &b) && blocks.has(&a, &b));
        blocks.forget(&a);
        assert!(blocks.authors.is_empty());
    }
}
