//! The files of `sql/report`, embedded in the program; `build.rs` lists them.

include!(concat!(env!("OUT_DIR"), "/report_files.rs"));
