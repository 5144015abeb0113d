//! The service's end against a plug-in in a process of its own, written in another language: its work, its faults, and what
//! keeps it in its place.

mod confinement;
mod faults;
mod work;
mod world;
