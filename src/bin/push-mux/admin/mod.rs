//! Commands for the server of the same user, by its Unix socket.

mod export;
mod feeds;
mod import;
mod invite;
mod peers;
mod publish;
mod reach;
mod status;
mod table;

pub(crate) use self::{
    export::ExportArgs,
    feeds::FeedsArgs,
    import::ImportArgs,
    invite::InviteArgs,
    peers::PeersArgs,
    publish::{FeedArgs, PublishArgs, block, unblock},
    status::StatusArgs,
};

pub(crate) use self::{
    export::run as export, feeds::run as feeds, import::run as import, invite::run as invite,
    peers::run as peers, publish::run as publish, status::run as status,
};
