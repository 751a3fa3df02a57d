//! What all simulators share. (Replaced by the folder `simulation/`.)

/// A simulated world.
#[derive(Debug)]
pub struct Simulation;
