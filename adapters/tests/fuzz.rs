//! Fuzzing on the stable toolchain: messages of the contract cases, bent by rule, through every
//! reader of outside bytes.
//!
//! `cargo test` runs a fixed number of inputs with a fixed seed. The long mode runs until the time
//! is over and shows its progress:
//!
//! ```sh
//! HUB_FUZZ_SECONDS=600 cargo test -p adapters --test fuzz -- --nocapture
//! HUB_FUZZ_SECONDS=60 HUB_FUZZ_TARGET=payloads HUB_FUZZ_SEED=7 cargo test -p adapters --test fuzz
//! ```
//!
//! What breaks a property is made smaller and written to a file, whose name the test tells. After
//! the cause is mended the file goes to `fuzz/regressions/<target>/`: it is read in every run.

#[cfg(test)]
#[path = "fuzz/bend.rs"]
mod bend;
#[cfg(test)]
#[path = "fuzz/contracts.rs"]
mod by_contract;
#[cfg(test)]
#[path = "fuzz/payloads.rs"]
mod payloads;
#[cfg(test)]
#[path = "fuzz/readers.rs"]
mod readers;
#[cfg(test)]
#[path = "fuzz/run.rs"]
mod run;
#[cfg(test)]
#[path = "fuzz/seeds.rs"]
mod seeds;

use run::run;

#[test]
fn an_answer_that_lost_its_proof_is_never_taken() {
    run(&payloads::Payloads::new(), 600);
}

#[test]
fn a_message_of_the_gateway_is_believed_for_its_job_alone() {
    run(&readers::Pushes::new(), 1_500);
}

#[test]
fn a_job_that_is_taken_fits_its_published_schema() {
    run(&by_contract::Jobs::new(), 2_500);
}

#[test]
fn a_document_reads_within_its_limits_and_writes_as_it_read() {
    run(&readers::Documents::new(), 1_200);
}

#[test]
fn a_hint_about_a_parcel_is_believed_with_its_secret_alone() {
    run(&readers::Hints::new(), 3_000);
}

#[test]
fn a_case_file_is_read_or_told_with_its_line() {
    run(&by_contract::Cases::new(), 1_000);
}

#[test]
fn a_schema_compiles_or_is_told_with_its_file() {
    run(&by_contract::Schemes::new(), 400);
}
