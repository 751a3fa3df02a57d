//! Lists the contracts of all systems (schemas and cases), so that they become a part of the program:
//! `hub simulate` serves WSDLs and recorded answers wherever it is copied to.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let missing = |name: &str| io::Error::other(format!("cargo sets {name}"));
    let own = env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| missing("CARGO_MANIFEST_DIR"))?;
    let out = env::var_os("OUT_DIR").ok_or_else(|| missing("OUT_DIR"))?;
    let root = fs::canonicalize(Path::new(&own).join("../contracts/systems"))?;
    writeln!(io::stdout(), "cargo::rerun-if-changed={}", root.display())?;
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    let mut named = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).map_err(io::Error::other)?;
        named.push((name.display().to_string(), file.display().to_string()));
    }
    // The program searches them by name.
    named.sort();
    let mut text = String::from("&[\n");
    for (name, file) in named {
        text.push_str(&format!("({name:?}, include_bytes!({file:?})),\n"));
    }
    text.push_str("]\n");
    fs::write(PathBuf::from(out).join("contracts.in"), text)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|end| end != "md") {
            files.push(path);
        }
    }
    Ok(())
}
