//! The REST interface from outside: a real socket, a real service, a provider in memory.

mod client;
mod fixture;
mod objects;
mod operations;
mod restart;
