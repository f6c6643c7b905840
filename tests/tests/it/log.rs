//! The log: what it promises while all is well, and while servers die.

mod audited;
mod commits;
mod feed;
mod migrations;
mod model;
mod outage;
mod outcome;
mod rebuild;
mod relay;
mod rotation;
mod schema_page;
mod shredding;
mod tally;
mod vault;
mod views;
