use crate::{
    CallError, PublicKey,
    ssb::store::{Stance, Store, StoreError},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the keys of stored invites begin with.
const PREFIX: &[u8] = b"invite/";

/// What is left of an invite.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Invite {
    /// How often it may still be used.
    pub(crate) uses: u32,
    /// What the pub writes into its contact messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

impl Invite {
    pub(crate) fn store_key(invite: &PublicKey) -> Vec<u8> {
        [PREFIX, &invite.0[..]].concat()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The invites of a pub, by the key that redeems each.
#[derive(Clone, Default)]
pub(crate) struct Invites {
    open: BTreeMap<PublicKey, Invite>,
    /// Feeds that are about to be followed.
    following: BTreeSet<PublicKey>,
}

impl Invites {
    pub(crate) fn load(store: &dyn Store) -> Result<Self, StoreError> {
        let read = |(key, value): (Vec<u8>, Vec<u8>)| {
            let key = key.strip_prefix(PREFIX)?.try_into().ok()?;
            Some((PublicKey(key), serde_json::from_slice(&value).ok()?))
        };
        let open = store.values(PREFIX)?.into_iter().filter_map(read).collect();
        Ok(Self { open, following: BTreeSet::new() })
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.open.keys()
    }

    pub(crate) fn add(&mut self, key: PublicKey, invite: Invite) {
        self.open.insert(key, invite);
    }

    pub(crate) fn remove(&mut self, key: &PublicKey) {
        self.open.remove(key);
    }

    /// Takes a use, if one is left and the feed is not followed already; yields what is left then.
    pub(crate) fn begin_use(
        &mut self,
        stance: Stance,
        key: PublicKey,
        feed: PublicKey,
    ) -> Result<Invite, CallError> {
        if stance == Stance::Follows || self.following.contains(&feed) {
            return Err(CallError::new("already following"));
        }
        let Some(invite) = self.open.get_mut(&key).filter(|invite| invite.uses > 0) else {
            return Err(CallError::new("invite has expired"));
        };
        invite.uses -= 1;
        self.following.insert(feed);
        Ok(invite.clone())
    }

    /// The feed is followed, or will not be.
    pub(crate) fn end_use(&mut self, feed: &PublicKey) {
        self.following.remove(feed);
    }

    /// A use that was taken could not be counted on the disk.
    pub(crate) fn give_back(&mut self, key: &PublicKey) {
        if let Some(invite) = self.open.get_mut(key) {
            invite.uses += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: PublicKey = PublicKey([1; 32]);

    fn feed(number: u8) -> PublicKey {
        PublicKey([number; 32])
    }

    fn reason<T>(used: Result<T, CallError>) -> String {
        used.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn an_invite_is_used_as_often_as_it_says() {
        let mut invites = Invites::default();
        invites.add(KEY, Invite { uses: 2, note: None });
        assert_eq!(invites.begin_use(Stance::Neutral, KEY, feed(1)).map(|left| left.uses), Ok(1));
        assert_eq!(reason(invites.begin_use(Stance::Neutral, KEY, feed(1))), "already following");
        assert_eq!(reason(invites.begin_use(Stance::Follows, KEY, feed(3))), "already following");
        assert_eq!(invites.begin_use(Stance::Blocks, KEY, feed(2)).map(|left| left.uses), Ok(0));
        assert_eq!(reason(invites.begin_use(Stance::Neutral, KEY, feed(4))), "invite has expired");
        invites.give_back(&KEY);
        invites.end_use(&feed(2));
        assert_eq!(invites.begin_use(Stance::Neutral, KEY, feed(2)).map(|left| left.uses), Ok(0));
        invites.remove(&KEY);
        assert_eq!(reason(invites.begin_use(Stance::Neutral, KEY, feed(5))), "invite has expired");
    }
}
