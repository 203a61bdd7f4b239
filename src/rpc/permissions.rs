use std::{cell::RefCell, collections::BTreeSet};

/// What a peer may call, decided when it has proved who it is and before it is told that it may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: the connection ends without a word.
    Refuse,
    /// What [`Server::anonymous`](super::Server::anonymous) lists.
    Anonymous,
    /// Everything.
    Full,
    /// These names and what is below them.
    Only(Vec<String>),
}

/// What one connection may call: an allow list, a deny list, or neither. A name stands for the method and for all below it, as
/// in secret-stack: `blobs` allows `blobs.get`. Starts with everything allowed; changes take effect with the next call.
#[derive(Debug, Default)]
pub struct Permissions {
    lists: RefCell<Lists>,
}

#[derive(Debug, Default)]
struct Lists {
    /// `None` allows all.
    allow: Option<BTreeSet<String>>,
    deny: BTreeSet<String>,
}

impl Permissions {
    /// Allows these and nothing else.
    pub fn allow_only<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        self.lists.borrow_mut().allow = Some(names.into_iter().map(str::to_owned).collect());
    }

    /// Allows whatever is not denied.
    pub fn allow_all(&self) {
        self.lists.borrow_mut().allow = None;
    }

    /// Denies these, allowed or not, and no others.
    pub fn deny_only<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        self.lists.borrow_mut().deny = names.into_iter().map(str::to_owned).collect();
    }

    /// Whether a method may be called.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        let lists = self.lists.borrow();
        let is_listed = |list: &BTreeSet<String>| prefixes(name).any(|prefix| list.contains(prefix));
        let is_denied = !lists.deny.is_empty() && is_listed(&lists.deny);
        !is_denied && lists.allow.as_ref().is_none_or(is_listed)
    }
}

/// `a`, `a.b`, `a.b.c`.
fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| &name[..at]).chain(std::iter::once(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_all_below_it() {
        let permissions = Permissions::default();
        assert!(permissions.allows("anything.at.all"));
        permissions.allow_only(["manifest", "blobs"]);
        assert!(permissions.allows("blobs.get"));
        assert!(!permissions.allows("blobsget"));
        assert!(!permissions.allows("whoami"));
        permissions.deny_only(["blobs.rm"]);
        assert!(!permissions.allows("blobs.rm"));
        assert!(permissions.allows("blobs.get"));
        permissions.allow_all();
        assert!(permissions.allows("whoami"));
        assert!(!permissions.allows("blobs.rm"));
    }
}
