//! Requests of visitors (data subjects): find, block, unblock, erase and export what can be linked to one of them (clauses 5.2, 6.1.2, 6.2.4).
//!
//! A request is on disk before it is answered. A task carries it out, also after a restart and when the store was down at first. The visitor's
//! page, the administration listener and the command line use the same [`Subjects`]. It keeps no address and no user agent:
//! they become pseudonyms at once, which is possible only while the key exists. A cookie is kept as events store it.

mod carry_out;
mod dictionary;
mod error;
mod export;
mod look_up;
mod request;
mod request_file;
mod request_list;
mod service;

pub use error::SubjectError;
pub use look_up::SubjectQuery;
pub use request::{Ground, RequestState, SubjectAction, SubjectRequest};
pub(crate) use request_file::NAME as REQUEST_FILE;
pub use request_file::read_local_secret;
pub use service::{Subjects, WaitingRequests};
