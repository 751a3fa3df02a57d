//! Randomness as a parameter: jitter, worker ids and nonces come from one injected source, so that
//! a seeded run repeats itself.

use std::sync::{Arc, Mutex, PoisonError};

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use uuid::Uuid;

/// A shared source of randomness.
#[derive(Clone)]
pub struct Chance(Arc<Mutex<StdRng>>);

impl std::fmt::Debug for Chance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chance")
    }
}

impl Chance {
    /// Seeded by the operating system: for running.
    pub fn from_entropy() -> Self {
        Self(Arc::new(Mutex::new(StdRng::from_rng(&mut OsSeed))))
    }

    /// Repeats itself: for tests and demos.
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    fn with<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        // A generator is usable whatever happened to the thread that held it.
        draw(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From 0 up to, but not including, 1.
    pub fn fraction(&self) -> f64 {
        self.with(rand::RngExt::random)
    }

    /// From 0 up to, but not including, `below` (0 where `below` is 0).
    pub fn below(&self, below: u64) -> u64 {
        self.with(|rng| if below == 0 { 0 } else { rng.random_range(0..below) })
    }

    /// Fills a buffer, for nonces and keys.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.with(|rng| rng.fill_bytes(bytes));
    }

    /// A random (version 4) UUID.
    pub fn uuid(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// The operating system's randomness, as the one seed.
struct OsSeed;

impl rand::TryRng for OsSeed {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(seed_rng().next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(seed_rng().next_u64())
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
        seed_rng().fill_bytes(dst);
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where randomness enters")]
fn seed_rng() -> rand::rngs::ThreadRng {
    rand::rng()
}
