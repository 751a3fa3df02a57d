//! Seeded randomness: the same seed and the same parts give the same numbers, on every machine.

use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use uuid::{Builder, Uuid};

/// A generator for one purpose.
pub struct Chance {
    random: StdRng,
    is_plain: bool,
}

impl Chance {
    /// A generator that depends on the seed and the parts alone.
    pub fn new(seed: u64, parts: &[&str]) -> Self {
        Self { random: StdRng::seed_from_u64(hash(seed, parts)), is_plain: false }
    }

    /// The same numbers, for an answer in its plainest form.
    #[must_use]
    pub fn plain(self) -> Self {
        Self { is_plain: true, ..self }
    }

    /// Whether the plainest form is wanted.
    pub const fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// 0 to 999.
    pub fn permille(&mut self) -> u16 {
        self.random.random_range(0..1_000)
    }

    /// 0 to `below - 1`.
    pub fn below(&mut self, below: u32) -> u32 {
        self.random.random_range(0..below)
    }

    /// One of them.
    ///
    /// # Panics
    /// Where there is none.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.random.random_range(0..of.len())]
    }

    /// A UUID of version 4.
    pub fn uuid(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.random.fill_bytes(&mut bytes);
        Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// FNV-1a over the parts, then mixed. The standard library's hasher may change with the compiler.
fn hash(seed: u64, parts: &[&str]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}
