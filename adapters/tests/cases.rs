//! Every contract case on disk holds: requests, answers, outcomes, schemas.
//!
//! A new system or case needs nothing here. `hub contracts check` runs the same engine.

#[cfg(test)]
#[path = "cases/coverage.rs"]
mod coverage;
#[cfg(test)]
#[path = "cases/differential.rs"]
mod differential;
#[cfg(test)]
#[path = "cases/drift.rs"]
mod drift;
#[cfg(test)]
#[path = "cases/xmllint.rs"]
mod xmllint;
#[cfg(test)]
#[path = "cases/zoo.rs"]
mod zoo;

#[cfg(test)]
use std::path::{Path, PathBuf};

#[cfg(test)]
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").join("contracts/systems")
}

#[cfg(test)]
mod tests {
    use adapters::replay::Engine;

    use super::folder;

    #[tokio::test]
    async fn every_case_holds() {
        let engine = Engine::open(&folder()).expect("readable cases and schemas");
        let reports = engine.check_all(engine.cases(), |_| ()).await;
        let failed: Vec<String> =
            reports.iter().filter(|one| !one.holds()).map(ToString::to_string).collect();
        let (all, count) = (reports.len(), failed.len());
        assert!(failed.is_empty(), "{count} of {all} cases fail:\n\n{}", failed.join("\n\n"));
        assert!(all >= 33, "only {all} cases were found");
        let warnings: Vec<String> = reports.iter().flat_map(|one| &one.warnings).cloned().collect();
        assert!(warnings.is_empty(), "{}", warnings.join("\n"));
    }
}
