//! Disk, Clock, Rng and Spawn on the operating system.
