//! `hub simulate` as other teams meet it: a SOAP toolkit that nobody here wrote, and its own clock.
//!
//! *What is needed*: Python with pip, and zeep from PyPI. Where they are missing the toolkit is skipped,
//! and says so.

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        path::Path,
        process::{Output, Stdio},
        time::Duration,
    };

    use tempfile::TempDir;
    use tokio::{
        io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
        net::TcpStream,
        process::{Child, Command},
        time::timeout,
    };

    /// The simulators listen within this.
    const START_WAIT_MAX: Duration = Duration::from_mins(1);
    /// The toolkit is installed, and has called everything, within this.
    const TOOLKIT_WAIT_MAX: Duration = Duration::from_mins(3);
    const SCRIPT: &str = include_str!("toolkits/calls.py");

    #[tokio::test]
    async fn a_foreign_soap_toolkit_gets_right_answers() {
        let simulators = Simulators::start(&[]).await;
        let folder = TempDir::with_prefix("hub-toolkit-").expect("a folder");
        let mut install = Command::new("python3");
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        let installed = run(install.args(["--target", "libraries", "zeep"]), folder.path()).await;
        if let Err(why) = installed.and_then(|output| succeeded(&output)) {
            say(&format!("the SOAP toolkit zeep was NOT tried: {why}"));
            return;
        }
        let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters/README.md");
        let readme = std::fs::read_to_string(readme).expect("adapters/README.md");
        let example = readme.split("```python\n").nth(1).and_then(|rest| rest.split("```").next());
        for script in [example.expect("an example in Python"), SCRIPT] {
            std::fs::write(folder.path().join("client.py"), script).expect("a file");
            let mut client = Command::new("python3");
            client.arg("client.py").env("PYTHONPATH", folder.path().join("libraries"));
            let output = run(client.env("SIMULATORS", &simulators.url), folder.path()).await;
            let words = output.and_then(|output| succeeded(&output)).expect("the toolkit's calls");
            assert!(words.contains("850100300012") || words.contains("all answers are right"));
        }
    }

    #[tokio::test]
    async fn five_business_days_pass_in_a_moment() {
        let simulators = Simulators::start(&[]).await;
        let before = simulators.state().await;
        let (status, answer) = simulators.tell("clock", "{\"business_days\":5}").await;
        assert_eq!(status, 200, "{answer}");
        let after = simulators.state().await;
        let moved = at(&after["now"]).duration_since(at(&before["now"])).as_hours();
        assert!((24 * 4..24 * 20).contains(&moved), "{moved} hours");
    }

    #[tokio::test]
    async fn the_hubs_clock_is_not_moved_without_leave() {
        let url = "postgres://nobody@127.0.0.1:1/nothing";
        let simulators = Simulators::start(&["--database-url", url]).await;
        let (status, answer) = simulators.tell("clock", "{\"seconds\":60}").await;
        assert_eq!(status, 409);
        assert!(answer.contains("--move-shared-clock"), "{answer}");
    }

    fn at(value: &serde_json::Value) -> jiff::Timestamp {
        value.as_str().expect("an instant").parse().expect("an instant")
    }

    struct Simulators {
        url: String,
        _process: Child,
    }

    impl Simulators {
        async fn start(arguments: &[&str]) -> Self {
            let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
            command.args(["simulate", "--listen", "127.0.0.1:0"]).args(arguments);
            command.env_remove("HUB_DATABASE__URL").stdout(Stdio::piped()).kill_on_drop(true);
            let mut process = command.spawn().expect("hub");
            let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
            let line = timeout(START_WAIT_MAX, lines.next_line()).await.expect("a line in time");
            let line = line.expect("readable").expect("a line");
            let url = line.rsplit(' ').next().expect("an address").to_owned();
            Self { url, _process: process }
        }

        async fn state(&self) -> serde_json::Value {
            let (_, body) = self.ask("GET", "state", "").await;
            serde_json::from_str(&body).expect("JSON")
        }

        async fn tell(&self, page: &str, order: &str) -> (u16, String) {
            self.ask("POST", page, order).await
        }

        async fn ask(&self, method: &str, page: &str, body: &str) -> (u16, String) {
            let address = self.url.trim_start_matches("http://");
            let request = format!(
                "{method} /control/{page} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let mut stream = TcpStream::connect(address).await.expect("the simulators");
            stream.write_all(request.as_bytes()).await.expect("sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an answer");
            let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
            let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
            (status.expect("a status"), body.expect("a body"))
        }
    }

    async fn run(command: &mut Command, folder: &Path) -> Result<Output, String> {
        command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
        match timeout(TOOLKIT_WAIT_MAX, command.output()).await {
            Ok(output) => output.map_err(|error| error.to_string()),
            Err(_) => Err("it took too long".to_owned()),
        }
    }

    fn succeeded(output: &Output) -> Result<String, String> {
        let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(words(&output.stdout)) } else { Err(words(&output.stderr)) }
    }

    /// Past the test harness, which hides what a test that holds has said.
    fn say(words: &str) {
        std::io::stderr().write_all(format!("{words}\n").as_bytes()).expect("stderr");
    }
}
