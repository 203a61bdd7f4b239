mod engine;
mod rig;
mod stacks;
mod tls;
mod upgrade;
mod ws;
