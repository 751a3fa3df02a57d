//! The fault proxy in front of a real echo server.
#![expect(clippy::unwrap_used, reason = "what a helper cannot do fails the test that called it")]

use std::{
    io::ErrorKind,
    net::SocketAddr,
    time::{Duration, Instant},
};

use chaos_tests::proxy::{Conditions, Cut, Door, Ending, Flow, IN_FLIGHT_BYTES_MAX, Proxy, Way};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

/// What must come comes within this.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// What must not come has not come for this long.
const QUIET: Duration = Duration::from_millis(200);
const SEED: u64 = 7;

/// What the server heard, in the order of hearing: bytes, and `Err` for a connection that broke.
type Heard = mpsc::Receiver<Result<Vec<u8>, ErrorKind>>;

/// Echoes everything, and closes when the client has finished (heard as no bytes).
async fn echo() -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (hears, heard) = mpsc::channel(10_000);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, hears.clone()));
        }
    });
    (address, heard)
}

async fn answer(mut stream: TcpStream, hears: mpsc::Sender<Result<Vec<u8>, ErrorKind>>) {
    let mut piece = vec![0; 4096];
    loop {
        let read = stream.read(&mut piece).await.map(|read| piece[..read].to_vec());
        hears.send(read.as_ref().cloned().map_err(std::io::Error::kind)).await.unwrap();
        let Ok(1..) = read.as_ref().map(Vec::len) else { return };
        if let Err(error) = stream.write_all(&read.unwrap()).await {
            hears.send(Err(error.kind())).await.unwrap();
            return;
        }
    }
}

async fn proxied() -> (Proxy, Heard) {
    let (target, heard) = echo().await;
    (Proxy::open("echo", target, SEED).unwrap(), heard)
}

async fn dial(proxy: &Proxy) -> TcpStream {
    timeout(WAIT_MAX, TcpStream::connect(proxy.address())).await.unwrap().unwrap()
}

/// What comes back until the end, or how the connection broke.
async fn rest(stream: &mut TcpStream) -> Result<Vec<u8>, ErrorKind> {
    let mut bytes = Vec::new();
    let read = timeout(WAIT_MAX, stream.read_to_end(&mut bytes)).await.unwrap();
    read.map(|_| bytes).map_err(|error| error.kind())
}

async fn expect(stream: &mut TcpStream, wanted: &[u8]) {
    let mut bytes = vec![0; wanted.len()];
    timeout(WAIT_MAX, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(bytes, wanted);
}

async fn expect_nothing(stream: &mut TcpStream) {
    let mut byte = [0];
    assert!(timeout(QUIET, stream.read(&mut byte)).await.is_err(), "something came");
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| u8::try_from(place % 251).unwrap()).collect()
}

#[tokio::test]
async fn a_perfect_line_carries_every_byte_and_the_half_close() {
    let (proxy, _heard) = proxied().await;
    let mut stream = dial(&proxy).await;
    let sent = pattern(3 * IN_FLIGHT_BYTES_MAX as usize + 17);
    let (mut reads, mut writes) = stream.split();
    let mut back = Vec::new();
    let talk = async {
        tokio::try_join!(
            async {
                writes.write_all(&sent).await?;
                writes.shutdown().await
            },
            reads.read_to_end(&mut back)
        )
    };
    timeout(WAIT_MAX, talk).await.unwrap().unwrap();
    assert!(back == sent);
    assert_eq!(proxy.arrived(), (sent.len() as u64, sent.len() as u64));
}

#[tokio::test]
async fn latency_delays_each_direction_and_jitter_keeps_the_order() {
    let (proxy, _heard) = proxied().await;
    let later = Duration::from_millis(60);
    proxy.set(Conditions::slow(later, later, None));
    let mut stream = dial(&proxy).await;
    let began = Instant::now();
    let sent = pattern(500);
    for piece in sent.chunks(5) {
        stream.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    expect(&mut stream, &sent).await;
    assert!(began.elapsed() >= 2 * later, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_limited_rate_takes_its_time() {
    let (proxy, _heard) = proxied().await;
    proxy.change(|line| line.up.rate_max = Some(20_000));
    let mut stream = dial(&proxy).await;
    let began = Instant::now();
    let sent = pattern(10_000);
    stream.write_all(&sent).await.unwrap();
    expect(&mut stream, &sent).await;
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_cut_lets_exactly_so_many_bytes_through() {
    for (ending, end) in
        [(Ending::Closed, Ok(())), (Ending::Reset, Err(ErrorKind::ConnectionReset))]
    {
        let (proxy, mut heard) = proxied().await;
        let mut stream = dial(&proxy).await;
        stream.write_all(b"before").await.unwrap();
        expect(&mut stream, b"before").await;
        // A connection that stands counts from now on.
        proxy.change(|line| line.up.cut = Some(Cut { after_bytes: 1_000, ending }));
        stream.write_all(&pattern(5_000)).await.unwrap();
        assert_eq!(rest(&mut stream).await.map(|_| ()), end, "{ending:?}");
        let (up, _) = proxy.arrived();
        assert_eq!(up, 6 + 1_000, "{ending:?}");
        let mut got = 0;
        while let Some(Ok(bytes)) = timeout(WAIT_MAX, heard.recv()).await.unwrap()
            && !bytes.is_empty()
        {
            got += bytes.len();
        }
        // A reset may overtake what the server had not read yet.
        assert!(got == 1_006 || ending == Ending::Reset && got < 1_006, "{ending:?}: {got}");
    }
}

#[tokio::test]
async fn a_reset_is_a_reset_on_both_sides() {
    let (proxy, mut heard) = proxied().await;
    let mut stream = dial(&proxy).await;
    stream.write_all(b"hello").await.unwrap();
    expect(&mut stream, b"hello").await;
    assert_eq!(heard.recv().await, Some(Ok(b"hello".to_vec())));
    proxy.end_connections(Ending::Reset);
    assert_eq!(rest(&mut stream).await, Err(ErrorKind::ConnectionReset));
    let told = timeout(WAIT_MAX, heard.recv()).await.unwrap();
    assert_eq!(told, Some(Err(ErrorKind::ConnectionReset)));
    // The line itself is good.
    let mut next = dial(&proxy).await;
    next.write_all(b"again").await.unwrap();
    expect(&mut next, b"again").await;
}

#[tokio::test]
async fn the_news_of_a_reset_travels_through() {
    let (proxy, mut heard) = proxied().await;
    let mut stream = dial(&proxy).await;
    stream.write_all(b"hello").await.unwrap();
    expect(&mut stream, b"hello").await;
    assert_eq!(heard.recv().await, Some(Ok(b"hello".to_vec())));
    stream.set_zero_linger().unwrap();
    drop(stream);
    let told = timeout(WAIT_MAX, heard.recv()).await.unwrap();
    assert_eq!(told, Some(Err(ErrorKind::ConnectionReset)));
}

#[tokio::test]
async fn a_refusing_door_keeps_its_port_and_what_stands() {
    let (proxy, _heard) = proxied().await;
    let mut old = dial(&proxy).await;
    old.write_all(b"old").await.unwrap();
    expect(&mut old, b"old").await;
    proxy.change(|line| line.door = Door::Refusing);
    // One that dialled while the door was closing is reset, or was faster.
    let refused = async {
        while TcpStream::connect(proxy.address()).await.map_err(|error| error.kind()).err()
            != Some(ErrorKind::ConnectionRefused)
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(WAIT_MAX, refused).await.unwrap();
    let stolen = TcpListener::bind(proxy.address()).await;
    assert_eq!(stolen.unwrap_err().kind(), ErrorKind::AddrInUse);
    old.write_all(b"still").await.unwrap();
    expect(&mut old, b"still").await;
    proxy.heal();
    let opened = async {
        loop {
            match TcpStream::connect(proxy.address()).await {
                Ok(stream) => return stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let mut next = timeout(WAIT_MAX, opened).await.unwrap();
    next.write_all(b"new").await.unwrap();
    expect(&mut next, b"new").await;
}

#[tokio::test]
async fn a_silent_door_takes_and_answers_only_after_the_heal() {
    let (proxy, _heard) = proxied().await;
    proxy.change(|line| line.door = Door::Silent);
    // The door may still have stood open for one that was faster than the word.
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = dial(&proxy).await;
        stream.write_all(b"hello").await.unwrap();
        streams.push(stream);
    }
    expect_nothing(&mut streams[2]).await;
    proxy.heal();
    for stream in &mut streams {
        expect(stream, b"hello").await;
    }
}

#[tokio::test]
async fn a_half_open_connection_tells_nobody_and_is_reset_by_the_heal() {
    let (proxy, mut heard) = proxied().await;
    let mut stream = dial(&proxy).await;
    stream.write_all(b"hello").await.unwrap();
    expect(&mut stream, b"hello").await;
    assert_eq!(heard.recv().await, Some(Ok(b"hello".to_vec())));
    proxy.change(|line| line.up.flow = Flow::Swallowed);
    stream.write_all(b"lost").await.unwrap();
    expect_nothing(&mut stream).await;
    // The end of the sender is no news either.
    stream.shutdown().await.unwrap();
    assert!(timeout(QUIET, heard.recv()).await.is_err(), "the server heard something");
    assert_eq!(proxy.connections(), 1);
    proxy.heal();
    assert_eq!(rest(&mut stream).await, Err(ErrorKind::ConnectionReset));
    let told = timeout(WAIT_MAX, heard.recv()).await.unwrap();
    assert_eq!(told, Some(Err(ErrorKind::ConnectionReset)));
}

#[tokio::test]
async fn a_half_open_way_that_lost_nothing_goes_on() {
    let (proxy, _heard) = proxied().await;
    let mut stream = dial(&proxy).await;
    stream.write_all(b"hello").await.unwrap();
    expect(&mut stream, b"hello").await;
    proxy.set(Conditions::flow(Flow::Swallowed));
    expect_nothing(&mut stream).await;
    proxy.heal();
    stream.write_all(b"world").await.unwrap();
    expect(&mut stream, b"world").await;
}

#[tokio::test]
async fn answers_alone_can_be_swallowed() {
    let (proxy, mut heard) = proxied().await;
    let way = Way { flow: Flow::Swallowed, ..Way::default() };
    proxy.set(Conditions { door: Door::Open, up: Way::default(), down: way });
    let mut stream = dial(&proxy).await;
    stream.write_all(b"hello").await.unwrap();
    assert_eq!(timeout(WAIT_MAX, heard.recv()).await.unwrap(), Some(Ok(b"hello".to_vec())));
    expect_nothing(&mut stream).await;
}

#[tokio::test]
async fn what_was_held_arrives_after_the_heal_in_order() {
    let (proxy, mut heard) = proxied().await;
    let mut stream = dial(&proxy).await;
    stream.write_all(b"hello").await.unwrap();
    expect(&mut stream, b"hello").await;
    assert_eq!(heard.recv().await, Some(Ok(b"hello".to_vec())));
    proxy.change(|line| line.up.flow = Flow::Held);
    let sent = pattern(50_000);
    stream.write_all(&sent).await.unwrap();
    expect_nothing(&mut stream).await;
    assert!(heard.try_recv().is_err());
    proxy.heal();
    expect(&mut stream, &sent).await;
}

#[tokio::test]
async fn who_sends_into_a_held_line_has_to_wait_in_the_end() {
    let (proxy, _heard) = proxied().await;
    let mut stream = dial(&proxy).await;
    proxy.change(|line| line.up.flow = Flow::Held);
    // Far more than what the proxy and two sockets keep.
    let sent = vec![0; 64 * 1024 * 1024];
    assert!(timeout(QUIET, stream.write_all(&sent)).await.is_err(), "it took everything");
}

#[tokio::test]
async fn a_target_that_is_away_is_a_reset() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = free.local_addr().unwrap();
    drop(free);
    let proxy = Proxy::open("nobody", nobody, SEED).unwrap();
    let mut stream = dial(&proxy).await;
    assert_eq!(rest(&mut stream).await, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_dropped_proxy_ends_what_stands() {
    let (proxy, _heard) = proxied().await;
    let mut stream = dial(&proxy).await;
    stream.write_all(b"hello").await.unwrap();
    expect(&mut stream, b"hello").await;
    let address = proxy.address();
    drop(proxy);
    assert_eq!(rest(&mut stream).await, Err(ErrorKind::ConnectionReset));
    let refused = async { while TcpStream::connect(address).await.is_ok() {} };
    timeout(WAIT_MAX, refused).await.unwrap();
}

#[tokio::test]
async fn a_lost_path_swallows_what_stands_for_ever_and_new_connections_pass() {
    let (proxy, mut heard) = proxied().await;
    let mut old = dial(&proxy).await;
    old.write_all(b"before").await.unwrap();
    expect(&mut old, b"before").await;
    assert_eq!(heard.recv().await.unwrap().unwrap(), b"before");
    proxy.lose_connections();
    old.write_all(b"lost").await.unwrap();
    expect_nothing(&mut old).await;
    let mut new = dial(&proxy).await;
    new.write_all(b"after").await.unwrap();
    expect(&mut new, b"after").await;
    assert_eq!(heard.recv().await.unwrap().unwrap(), b"after", "what was lost has arrived");
    // No heal brings it back, and nobody hears that it ended.
    proxy.heal();
    old.write_all(b"still lost").await.unwrap();
    expect_nothing(&mut old).await;
    drop(old);
    assert!(timeout(QUIET, heard.recv()).await.is_err(), "the other side heard of its end");
    proxy.end_connections(Ending::Reset);
    heard.recv().await.unwrap().unwrap_err();
}
