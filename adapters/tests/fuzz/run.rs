//! Runs a target: regressions first, then bent seeds until the count or the time is over.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{bend::bend, seeds::Seed};

/// Seconds of a run, divided among the targets that run at once by the machine alone.
const SECONDS: &str = "HUB_FUZZ_SECONDS";
const SEED: &str = "HUB_FUZZ_SEED";
const TARGET: &str = "HUB_FUZZ_TARGET";
/// One input may take so long on a machine under load.
const INPUT_TIME_MAX: Duration = Duration::from_secs(20);
/// Smaller inputs are looked for so often.
const SHRINKS_MAX: usize = 400;
const PROGRESS_EVERY: Duration = Duration::from_secs(30);

/// Something that reads outside bytes.
pub(crate) trait Target {
    fn name(&self) -> &'static str;
    fn seeds(&self) -> &[Seed];
    /// Reads an input; `Err` says which property does not hold.
    fn check(&self, seed: &Seed, bytes: &[u8]) -> Result<(), String>;
}

/// Runs a target: `count` inputs, or as long as the long mode wants.
pub(crate) fn run(target: &dyn Target, count: usize) {
    if std::env::var(TARGET).is_ok_and(|wanted| wanted != target.name()) {
        return;
    }
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a number"));
    let seconds: Option<u64> = number(SECONDS);
    let seed = number(SEED).unwrap_or_else(|| match seconds {
        Some(_) => u64::from(std::process::id()),
        None => 7,
    });
    let seeds = target.seeds();
    assert!(!seeds.is_empty(), "{} has no seeds", target.name());
    regressions(target);
    let told = |one: &Seed| judge(target, one, &one.bytes).err().map(|why| (one.name.clone(), why));
    let wrong: Vec<(String, String)> = seeds.iter().filter_map(told).collect();
    assert!(wrong.is_empty(), "{}: files of cases break it: {wrong:#?}", target.name());
    let mut rng = StdRng::seed_from_u64(seed);
    let (began, mut told) = (Instant::now(), Instant::now());
    let mut done = 0;
    loop {
        let is_over = match seconds {
            Some(seconds) => began.elapsed() >= Duration::from_secs(seconds),
            None => done >= count,
        };
        if is_over {
            break;
        }
        let one = &seeds[rng.random_range(0..seeds.len())];
        let other = &seeds[rng.random_range(0..seeds.len())];
        let input = bend(&one.bytes, &other.bytes, &mut rng);
        attempt(target, one, &input, seed, done);
        done += 1;
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            println!("{}: {done} inputs in {:?}, seed {seed}", target.name(), began.elapsed());
        }
    }
    println!("{}: {done} inputs in {:?}, seed {seed}", target.name(), began.elapsed());
}

/// Inputs that broke something once.
fn regressions(target: &dyn Target) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/regressions");
    let Ok(files) = std::fs::read_dir(folder.join(target.name())) else { return };
    for file in files {
        let file = file.expect("a file").path();
        let name = file.file_name().expect("a name").to_string_lossy().replace('~', "/");
        let of = target.seeds().iter().find(|seed| name.starts_with(&seed.name));
        let of = of.unwrap_or_else(|| panic!("{name}: begins with the name of no seed"));
        let bytes = std::fs::read(&file).expect("reads");
        if let Err(why) = judge(target, of, &bytes) {
            panic!("{name}: {why}");
        }
    }
}

fn attempt(target: &dyn Target, seed: &Seed, input: &[u8], number: u64, at: usize) {
    let Err(why) = judge(target, seed, input) else { return };
    let small = shrink(target, seed, input, &why);
    let file = keep(target, seed, &small, at);
    let from = format!("{} (seed {number}, input {at})", seed.name);
    panic!("{}: {why}\n  from {from}\n  in {}", target.name(), file.display());
}

fn judge(target: &dyn Target, seed: &Seed, input: &[u8]) -> Result<(), String> {
    let began = Instant::now();
    match catch_unwind(AssertUnwindSafe(|| target.check(seed, input))) {
        Ok(Ok(())) if began.elapsed() > INPUT_TIME_MAX => Err("it takes too long".to_owned()),
        Ok(result) => result,
        Err(_) => Err("it panics".to_owned()),
    }
}

/// Leaves out parts, as long as the same property breaks.
fn shrink(target: &dyn Target, seed: &Seed, input: &[u8], why: &str) -> Vec<u8> {
    let mut small = input.to_vec();
    let mut part = small.len() / 2;
    let mut tries = 0;
    while part > 0 && tries < SHRINKS_MAX {
        let mut at = 0;
        while at + part <= small.len() && tries < SHRINKS_MAX {
            tries += 1;
            let mut less = small.clone();
            less.drain(at..at + part);
            if judge(target, seed, &less).is_err_and(|other| other == why) {
                small = less;
            } else {
                at += part;
            }
        }
        part /= 2;
    }
    small
}

fn keep(target: &dyn Target, seed: &Seed, input: &[u8], at: usize) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz").join(target.name());
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join(format!("{}~{at}", seed.name.replace('/', "~")));
    std::fs::write(&file, input).expect("writes");
    file
}
