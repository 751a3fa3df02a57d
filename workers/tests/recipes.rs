//! The recipes of the README, taken out of it and run against a demo.
//!
//! *What is needed*: Python with pip, Node with npm, and for Java the client's jars in
//! `/usr/share/java`. A recipe whose language or libraries are missing is skipped, and says so.

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        net::SocketAddr,
        path::Path,
        process::{Output, Stdio},
        time::Duration,
    };

    use rustix::process::{Pid, Signal, kill_process};
    use serde_json::{Value, json};
    use tempfile::TempDir;
    use tokio::{
        io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
        net::TcpStream,
        process::{Child, ChildStdout, Command},
        time::timeout,
    };

    /// The demo has started, and its own jobs have ended, within this.
    const DEMO_WAIT_MAX: Duration = Duration::from_mins(5);
    /// The demo ends within this after Ctrl-C.
    const STOP_WAIT_MAX: Duration = Duration::from_mins(1);
    /// Libraries are installed within this.
    const INSTALL_WAIT_MAX: Duration = Duration::from_mins(2);
    /// A recipe has ended within this.
    const RECIPE_WAIT_MAX: Duration = Duration::from_secs(90);
    /// A recipe is short enough to be pasted.
    const LINES_MAX: usize = 100;
    /// Where the Debian packages `librabbitmq-client-java` and `libpostgresql-jdbc-java` put it.
    const JAVA_FOLDER: &str = "/usr/share/java";
    const JARS: [&str; 3] = ["amqp-client.jar", "slf4j-api.jar", "postgresql.jar"];
    /// The person of all recipes; synthetic, without a record.
    const IIN: &str = "850100300012";

    #[tokio::test]
    async fn the_recipes_of_the_readme_end_with_their_results() {
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
        let readme = std::fs::read_to_string(readme).expect("README.md");
        let demo = Demo::start().await;
        for recipe in RECIPES {
            let text = block(&readme, recipe.fence);
            assert!(text.lines().count() < LINES_MAX, "{} is too long to paste", recipe.fence);
            let folder = TempDir::with_prefix("hub-recipe-").expect("a folder");
            std::fs::write(folder.path().join(recipe.file), text).expect("a file");
            if let Err(why) = prepare(recipe, folder.path()).await {
                say(&format!("the {} recipe of the README was NOT run: {why}", recipe.fence));
                continue;
            }
            demo.order("gbdfl", "found").await;
            demo.order("kpsisu", "clear").await;
            let output = demo.play(recipe, folder.path()).await;
            judge(recipe.fence, &output);
        }
        demo.stop().await;
    }

    /// One language: how its block is prepared and run, in a folder of its own.
    struct Recipe {
        fence: &'static str,
        file: &'static str,
        install: &'static [&'static str],
        run: &'static [&'static str],
    }

    const RECIPES: &[Recipe] = &[
        Recipe {
            fence: "python",
            file: "portal.py",
            install: &[
                "python3",
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--target",
                "libraries",
                "pika",
                "psycopg2-binary",
            ],
            run: &["python3", "portal.py"],
        },
        Recipe {
            fence: "javascript",
            file: "portal.mjs",
            install: &[
                "npm",
                "install",
                "--prefix",
                ".",
                "--no-audit",
                "--no-fund",
                "amqplib",
                "pg",
            ],
            run: &["node", "portal.mjs"],
        },
        Recipe {
            fence: "java",
            file: "Portal.java",
            install: &["javac", "-version"],
            // A single source file is compiled by the launcher itself.
            run: &["java", "Portal.java"],
        },
    ];

    /// Installs what a recipe needs; `Err` says what is missing.
    async fn prepare(recipe: &Recipe, folder: &Path) -> Result<(), String> {
        if recipe.fence == "java" {
            let missing = JARS.iter().find(|jar| !Path::new(JAVA_FOLDER).join(jar).exists());
            if let Some(jar) = missing {
                return Err(format!("{JAVA_FOLDER}/{jar} is missing"));
            }
        }
        let mut command = command(recipe.install, folder);
        let installed = timeout(INSTALL_WAIT_MAX, command.output()).await;
        let command = recipe.install.join(" ");
        match installed {
            Err(_) => Err(format!("`{command}` took too long")),
            Ok(Err(error)) => Err(format!("`{command}`: {error}")),
            Ok(Ok(output)) if output.status.success() => Ok(()),
            Ok(Ok(output)) => {
                let words = String::from_utf8_lossy(&output.stderr).into_owned();
                Err(format!("`{command}` failed: {}", words.lines().last().unwrap_or_default()))
            }
        }
    }

    fn command(words: &[&str], folder: &Path) -> Command {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    fn judge(language: &str, output: &Output) {
        let said = String::from_utf8_lossy(&output.stdout);
        let all = format!("{said}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{language}: {}\n{all}", output.status);
        for (operation, result) in
            [("gbdfl.person", r#""found":true"#), ("kpsisu.check", r#""verdict":"clear""#)]
        {
            let begin = format!("{operation} succeeded {{");
            let line = said.lines().find(|line| line.starts_with(&begin)).unwrap_or_default();
            assert!(line.contains(result), "{language}: no line `{begin}…{result}…`\n{all}");
            assert!(line.contains(r#""status":"succeeded""#), "{language}: {line}");
        }
    }

    /// The fenced block of a language.
    fn block<'a>(markdown: &'a str, language: &str) -> &'a str {
        let fence = format!("```{language}\n");
        let (_, rest) = markdown.split_once(fence.as_str()).expect("a block of this language");
        rest.split_once("\n```").expect("an end of the block").0
    }

    /// Says something that the test runner does not swallow.
    fn say(text: &str) {
        writeln!(std::io::stderr(), "{text}").expect("standard error");
    }

    /// A running demo.
    struct Demo {
        process: Child,
        lines: Lines<BufReader<ChildStdout>>,
        addresses: Value,
    }

    impl Demo {
        /// Starts a demo and waits until its own jobs have ended.
        async fn start() -> Self {
            let mut process = Command::new(env!("CARGO_BIN_EXE_hub"))
                // Without faults: a recipe shows what comes of a job, not what comes of luck.
                .args(["demo", "--jobs", "5", "--json", "--fault-permille", "0"])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .expect("the program hub");
            let out = process.stdout.take().expect("standard output");
            let lines = BufReader::new(out).lines();
            let mut demo = Self { process, lines, addresses: Value::Null };
            demo.addresses = demo.line().await;
            let report = demo.line().await;
            assert_eq!((&report["lost"], &report["doubled_commands"]), (&json!(0), &json!(0)));
            demo
        }

        async fn line(&mut self) -> Value {
            let line = timeout(DEMO_WAIT_MAX, self.lines.next_line()).await;
            let line = line.expect("the demo speaks in time").expect("its output");
            let line = line.expect("the demo goes on; its words are above");
            serde_json::from_str(&line).expect("a line of JSON")
        }

        fn address(&self, name: &str) -> &str {
            self.addresses[name].as_str().expect("an address in the demo's first line")
        }

        /// Makes the simulators treat the next request about the person well: by themselves they
        /// disturb some requests.
        async fn order(&self, system: &str, behaviour: &str) {
            let address = self.address("simulators_url").strip_prefix("http://").expect("http");
            let address: SocketAddr = address.parse().expect("address:port");
            let order = json!({"system": system, "behaviour": behaviour, "iin": IIN}).to_string();
            let request = format!(
                "POST /control/next HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{order}",
                order.len()
            );
            let mut stream = TcpStream::connect(address).await.expect("the simulators");
            stream.write_all(request.as_bytes()).await.expect("sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }

        async fn play(&self, recipe: &Recipe, folder: &Path) -> Output {
            let jars: Vec<String> = JARS.iter().map(|jar| format!("{JAVA_FOLDER}/{jar}")).collect();
            let mut command = command(recipe.run, folder);
            command
                .env("AMQP_URL", self.address("broker_url"))
                .env("DATABASE_URL", self.address("database_url"))
                .env("PYTHONPATH", folder.join("libraries"))
                .env("PYTHONIOENCODING", "utf-8")
                .env("CLASSPATH", jars.join(":"));
            let output = timeout(RECIPE_WAIT_MAX, command.output()).await;
            output.expect("a recipe ends in time").expect("a recipe starts")
        }

        /// Ctrl-C: the demo ends in good order.
        async fn stop(mut self) {
            let id = self.process.id().and_then(|id| i32::try_from(id).ok());
            let id = id.and_then(Pid::from_raw).expect("the demo runs");
            kill_process(id, Signal::INT).expect("a signal");
            let ended = timeout(STOP_WAIT_MAX, self.process.wait()).await;
            let status = ended.expect("the demo ends in time").expect("its status");
            assert!(status.success(), "{status}");
        }
    }
}
