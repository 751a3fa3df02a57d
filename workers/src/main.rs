//! The program `hub`; everything is in the library.

#[tokio::main]
async fn main() -> std::process::ExitCode {
    workers::cli::main().await
}
