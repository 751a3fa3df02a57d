//! Which build this is: its version and, where the builder named one, its source.

/// For example `0.1.0`, or `0.1.0+3f2a91c` where `HUB_BUILD` was set while building.
pub const BUILD: &str = match option_env!("HUB_BUILD") {
    Some(build) if !build.is_empty() => build,
    _ => env!("CARGO_PKG_VERSION"),
};
