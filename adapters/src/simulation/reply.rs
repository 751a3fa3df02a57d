//! What is put on the wire: an answer, or something that only looks like one.

use std::{io, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, Request},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};

use super::wire::Line;

/// Longer requests are refused.
pub const REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// An oversize answer ends here at last.
pub const OVERSIZE_BYTES: usize = 64 * 1024 * 1024;
/// How long a slow answer takes: beyond any reasonable deadline.
pub const SLOW: Duration = Duration::from_mins(5);

const CHUNK: &str = "<filler>0123456789abcdef0123456789abcdef0123456789</filler>\n";
const CHUNKS_AT_ONCE: usize = 1_024;
/// Lets the first half leave before the connection is cut: an error discards what is not flushed.
const FLUSH_PAUSE: Duration = Duration::from_millis(20);

/// One answer.
pub enum Reply {
    /// XML as it should be.
    Xml(u16, Vec<u8>),
    /// Anything else as it should be: status, content type, body.
    Typed(u16, &'static str, Vec<u8>),
    /// A status without a body.
    Empty(u16),
    /// A proxy's error page.
    Html(u16),
    /// Bytes that are no text, labelled as XML.
    Garbage,
    /// The connection is reset before a byte of the answer.
    Reset,
    /// Half of the answer, then the end of the connection.
    Cut(Vec<u8>),
    /// Half of the answer, then a reset.
    CutByReset(Vec<u8>),
    /// An answer that hardly ends; the length is announced or not.
    Oversize {
        /// Whether Content-Length is sent.
        announced: bool,
    },
}

/// How an answer ends that is not whole, for the list of exchanges.
#[derive(Debug, Clone, Copy)]
pub struct Ending(pub &'static str);

/// The request as bytes, and the line it came over.
pub async fn read(request: Request) -> Result<(Bytes, Line), Response> {
    read_up_to(request, REQUEST_BYTES_MAX).await
}

/// The same, for a service that takes larger requests.
pub async fn read_up_to(request: Request, bytes_max: usize) -> Result<(Bytes, Line), Response> {
    let line = request.extensions().get::<ConnectInfo<Line>>();
    let line = line.map_or_else(Line::default, |ConnectInfo(line)| line.clone());
    match axum::body::to_bytes(request.into_body(), bytes_max).await {
        Ok(bytes) => Ok((bytes, line)),
        Err(_) => Err(StatusCode::PAYLOAD_TOO_LARGE.into_response()),
    }
}

impl Reply {
    /// Puts it on the wire.
    pub fn into_response(self, line: &Line) -> Response {
        let ending = self.ending();
        let mut response = self.write(line);
        if let Some(ending) = ending {
            response.extensions_mut().insert(ending);
        }
        response
    }

    const fn ending(&self) -> Option<Ending> {
        match self {
            Self::Xml(..) | Self::Typed(..) | Self::Empty(_) | Self::Html(_) | Self::Garbage => {
                None
            }
            Self::Reset => Some(Ending("reset before the answer")),
            Self::Cut(_) => Some(Ending("cut in the middle")),
            Self::CutByReset(_) => Some(Ending("reset in the middle")),
            Self::Oversize { .. } => Some(Ending("64 MiB long")),
        }
    }

    fn write(self, line: &Line) -> Response {
        match self {
            Self::Xml(status, body) => with_type(status, XML, Body::from(body)),
            Self::Typed(status, content_type, body) => {
                with_type(status, content_type, Body::from(body))
            }
            Self::Empty(status) => with_type(status, XML, Body::empty()),
            Self::Html(status) => with_type(status, "text/html; charset=utf-8", Body::from(PAGE)),
            Self::Garbage => with_type(200, XML, Body::from(GARBAGE)),
            Self::Reset => {
                line.reset();
                cut(Vec::new(), line.clone(), true)
            }
            Self::Cut(body) => cut(body, line.clone(), false),
            Self::CutByReset(body) => cut(body, line.clone(), true),
            Self::Oversize { announced } => oversize(announced),
        }
    }
}

const XML: &str = "text/xml; charset=UTF-8";
const GARBAGE: &[u8] = b"\x00\xff\xfe<\x80\x81soap \x00 PK\x03\x04 \xc3\x28 </";
const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\
    <body><center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center><br></body></html>\n";

fn with_type(status: u16, content_type: &'static str, body: Body) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
}

/// The length of the whole, and half of it.
fn cut(mut body: Vec<u8>, line: Line, reset: bool) -> Response {
    let length = body.len().max(1);
    body.truncate(length / 2);
    let end = async move {
        tokio::time::sleep(FLUSH_PAUSE).await;
        if reset {
            line.reset();
        }
        Err(io::Error::other("the simulator cuts this answer"))
    };
    let first = stream::iter([Ok::<_, io::Error>(Bytes::from(body))]);
    let body = Body::from_stream(first.chain(stream::once(end)));
    let mut response = with_type(200, XML, body);
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    response
}

fn oversize(announced: bool) -> Response {
    let chunk = Bytes::from(CHUNK.repeat(CHUNKS_AT_ONCE));
    let count = OVERSIZE_BYTES / chunk.len();
    let length = count * chunk.len();
    let chunks = stream::iter((0..count).map(move |_| Ok::<_, io::Error>(chunk.clone())));
    let mut response = with_type(200, XML, Body::from_stream(chunks));
    if announced {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response
}
