//! What `deploy/` ships, in a Debian 12 of its own: the unit under systemd, the stages of the Dockerfile, the package.
//!
//! These tests need root, `systemd-nspawn` and a directory that `tools/debian-root` makes with debootstrap. Without them they say that
//! they were skipped.

mod deb;
mod debian;
mod dockerfile;
mod endpoints;
mod image;
mod shell;
mod systemd;
