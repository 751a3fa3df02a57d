//! `hub health`: asks a running hub how it is; for health checks where there is no other program.

use std::{net::SocketAddr, path::Path, time::Duration};

use reqwest::Url;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{DONE, FAILED, WRONG_USE, complain, print};
use crate::config::Examined;

/// The whole question ends within this.
const WAIT_MAX: Duration = Duration::from_secs(4);
/// So much of an answer is read.
const ANSWER_BYTES_MAX: u64 = 4 << 10;

/// Whom to ask.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Another address than /health/ready of the settings' admin.listen.
    #[arg(long, conflicts_with = "live")]
    url: Option<String>,
    /// Only whether the process answers, not whether its neighbours do.
    #[arg(long)]
    live: bool,
}

pub(super) async fn run(path: Option<&Path>, arguments: Arguments) -> u8 {
    let page = if arguments.live { "live" } else { "ready" };
    let url = arguments.url.unwrap_or_else(|| {
        let listen = Examined::load(path, std::env::vars()).config.admin_listen;
        format!("http://{}/health/{page}", reachable(listen))
    });
    let Some(url) = Url::parse(&url).ok().filter(|url| url.scheme() == "http" && url.has_host())
    else {
        complain(&"--url: expected an address that begins with http://");
        return WRONG_USE;
    };
    match tokio::time::timeout(WAIT_MAX, ask(&url)).await {
        Ok(Ok((200, body))) => {
            print::tell(body.trim());
            DONE
        }
        Ok(Ok((status, body))) => {
            complain(&format!("HTTP {status}: {}", body.trim()));
            FAILED
        }
        Ok(Err(error)) => {
            complain(&format!("nobody answers: {}", error.kind()));
            FAILED
        }
        Err(_) => {
            complain(&format!("no answer within {} s", WAIT_MAX.as_secs()));
            FAILED
        }
    }
}

/// Where a listener is reached from its own machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let mut at = listen;
    match listen {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => at.set_ip([127, 0, 0, 1].into()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            at.set_ip(std::net::Ipv6Addr::LOCALHOST.into());
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => {}
    }
    at
}

/// The status and the beginning of the body.
async fn ask(url: &Url) -> std::io::Result<(u16, String)> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(80);
    let mut stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    let request = format!("GET {} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n", url.path());
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.filter(|_| answer.starts_with("HTTP/1."));
    let status = status.ok_or(std::io::ErrorKind::InvalidData)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_for_everybody_is_asked_on_its_own_machine() {
        for (listen, asked) in [
            ("0.0.0.0:9464", "127.0.0.1:9464"),
            ("[::]:9464", "[::1]:9464"),
            ("192.0.2.1:80", "192.0.2.1:80"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }

    #[tokio::test]
    async fn an_answer_is_a_status_and_a_body() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/health/ready", listener.local_addr().unwrap());
        let url = Url::parse(&url).unwrap();
        for (bytes, expected) in [
            (&b"HTTP/1.1 503 Service Unavailable\r\n\r\n{}\n"[..], Some((503, "{}\n"))),
            (b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nlive", Some((200, "live"))),
            (b"SSH-2.0 200 x", None),
            (b"", None),
        ] {
            let asked = ask(&url);
            let answered = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 64];
                let length = stream.read(&mut request).await.unwrap();
                assert!(request[..length].starts_with(b"GET /health/ready HTTP/1.0\r\n"));
                stream.write_all(bytes).await.unwrap();
            };
            let (answer, ()) = tokio::join!(asked, answered);
            let expected = expected.map(|(status, body)| (status, body.to_owned()));
            assert_eq!(answer.ok(), expected);
        }
    }
}
