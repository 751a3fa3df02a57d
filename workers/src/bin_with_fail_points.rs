//! The program `hub` with fail points (see `fail_point.rs`): built for chaos-tests only.

#[tokio::main]
async fn main() -> std::process::ExitCode {
    workers::cli::main().await
}
