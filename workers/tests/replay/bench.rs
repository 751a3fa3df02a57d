//! What these tests stand on: the program, a simulator, spoilt copies of cases.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// What a run of the program said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs `hub contracts …`.
pub fn hub(arguments: &[&str]) -> Said {
    hub_with(arguments, &[])
}

/// The same, with variables of the environment.
pub fn hub_with(arguments: &[&str], variables: &[(&str, &str)]) -> Said {
    let ran = Command::new(env!("CARGO_BIN_EXE_hub"))
        .arg("contracts")
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .expect("the program runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said {
        code: ran.status.code().expect("an exit code"),
        out: text(&ran.stdout),
        err: text(&ran.stderr),
    }
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|_| panic!("{}\n{}", self.out, self.err))
    }
}

/// `hub simulate` in a process of its own, until dropped.
pub struct Simulator {
    child: Child,
    pub url: String,
}

impl Simulator {
    pub fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hub"))
            .args(["simulate", "--listen", "127.0.0.1:0"])
            .env_remove("HUB_DATABASE__URL")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the simulators start");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let url = lines
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_whitespace()
                    .find(|word| word.starts_with("http://127."))
                    .map(|word| word.trim_end_matches(['/', '.']).to_owned())
            })
            .expect("the address is printed");
        Self { child, url }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.child.kill().expect("it runs until now");
        self.child.wait().expect("it ends");
    }
}

pub fn systems() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/systems")
}

/// A copy of one case, with the schemas that it needs.
pub struct Copy {
    folder: tempfile::TempDir,
    case: PathBuf,
}

impl Copy {
    pub fn of(name: &str) -> Self {
        let (system, case) = name.split_once('/').expect("system/case");
        let folder = tempfile::tempdir().expect("a folder");
        // The gateway's schema knows the ministry's dialect.
        for one in ["shep", "mzrk", system] {
            let to = folder.path().join(one);
            copy_files(&systems().join(one), &to);
        }
        let case = PathBuf::from(format!("{system}/cases/{case}"));
        copy_files(&systems().join(&case), &folder.path().join(&case));
        let case = folder.path().join(case);
        Self { folder, case }
    }

    /// Another file of the case.
    pub fn change(self, file: &str, from: &str, to: &str) -> Self {
        let file = self.case.join(file);
        let text = fs::read_to_string(&file).expect("a file");
        assert!(text.contains(from), "{from} is not in {}", file.display());
        fs::write(&file, text.replacen(from, to, 1)).expect("a file");
        self
    }

    /// Another schema.
    pub fn change_schema(self, file: &str, from: &str, to: &str) -> Self {
        let file = self.folder.path().join(file);
        let text = fs::read_to_string(&file).expect("a schema");
        assert!(text.contains(from), "{from} is not in {}", file.display());
        fs::write(&file, text.replacen(from, to, 1)).expect("a schema");
        self
    }

    pub fn path(&self) -> &str {
        self.folder.path().to_str().expect("a path")
    }
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
}
