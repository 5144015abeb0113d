//! The control plane in the simulated world.
