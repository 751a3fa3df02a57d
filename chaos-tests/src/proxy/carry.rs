//! One connection: two ways, each read at once, kept for its time, and written under the conditions
//! of the moment of writing.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{Instant, sleep_until},
};
use workers::chance::Chance;

use super::{Conditions, Cut, Ending, Flow, IN_FLIGHT_BYTES_MAX, Line, Way};

/// Bytes of one piece.
const PIECE_BYTES_MAX: usize = 16 * 1024;
/// Pieces under way: as many as there may be bytes, were each as small as a small frame.
const PIECES_MAX: usize = 8 * 1024;
/// A limited rate is kept in this many steps a second.
const RATE_STEPS: u32 = 50;

/// Which way.
#[derive(Debug, Clone, Copy)]
enum Direction {
    Up,
    Down,
}

impl Direction {
    const fn is_up(self) -> bool {
        match self {
            Self::Up => true,
            Self::Down => false,
        }
    }

    const fn of(self, conditions: &Conditions) -> Way {
        match self {
            Self::Up => conditions.up,
            Self::Down => conditions.down,
        }
    }
}

/// What arrives at the other end, and when.
struct Piece {
    due: Instant,
    news: News,
}

enum News {
    Bytes(Vec<u8>, OwnedSemaphorePermit),
    /// The sender has said its last.
    Finished,
    /// The sender's connection broke.
    Broken,
}

/// An end, or a loss, that is ordered for all connections.
pub(super) type Orders = (watch::Receiver<(u64, Ending)>, watch::Receiver<u64>);

/// Carries bytes between the two until both have finished, or one end comes about.
pub(super) async fn carry(
    mut client: TcpStream,
    mut target: TcpStream,
    number: u64,
    line: &Line,
    (mut ended, mut lost): Orders,
) {
    // Small frames go at once; where that cannot be had they only go later.
    drop((client.set_nodelay(true), target.set_nodelay(true)));
    let fate = {
        let (client_reads, client_writes) = client.split();
        let (target_reads, target_writes) = target.split();
        let up = pump(client_reads, Writer::new(target_writes, Direction::Up, line), number);
        let down = pump(target_reads, Writer::new(client_writes, Direction::Down, line), number);
        tokio::select! {
            both = async { tokio::try_join!(up, down) } => Fate::Ended(both.err()),
            ending = ordered(&mut ended) => Fate::Ended(Some(ending)),
            _ = lost.changed() => Fate::Lost,
        }
    };
    let ending = match fate {
        Fate::Ended(ending) => ending,
        Fate::Lost => tokio::select! {
            () = swallow(&mut client, &mut target) => None,
            ending = ordered(&mut ended) => Some(ending),
        },
    };
    match ending {
        None => {}
        Some(Ending::Reset) => [&client, &target].into_iter().for_each(reset),
        Some(Ending::Closed) => [&client, &target].into_iter().for_each(empty),
    }
}

/// What becomes of a connection.
enum Fate {
    /// By an error or an order; `None` in good order.
    Ended(Option<Ending>),
    Lost,
}

async fn ordered(ended: &mut watch::Receiver<(u64, Ending)>) -> Ending {
    match ended.changed().await {
        Ok(()) => ended.borrow().1,
        Err(_) => Ending::Reset,
    }
}

/// Reads what both sides send until both have ended, and tells nobody of anything.
async fn swallow(client: &mut TcpStream, target: &mut TcpStream) {
    let (mut client_sink, mut target_sink) = (tokio::io::sink(), tokio::io::sink());
    let both = tokio::join!(
        tokio::io::copy(client, &mut client_sink),
        tokio::io::copy(target, &mut target_sink)
    );
    drop(both);
}

/// Dropping the stream sends RST, and nothing else.
pub(super) fn reset(stream: &TcpStream) {
    // Fails only where the connection is gone already.
    drop(stream.set_zero_linger());
}

/// What was read by nobody would turn the end into a reset.
fn empty(stream: &TcpStream) {
    let mut piece = [0; PIECE_BYTES_MAX];
    while stream.try_read(&mut piece).is_ok_and(|read| read > 0) {}
}

/// One way: `Ok` once its end has arrived in good order.
async fn pump(reads: ReadHalf<'_>, writer: Writer<'_>, number: u64) -> Result<(), Ending> {
    let (pieces, waiting) = mpsc::channel(PIECES_MAX);
    let seed = writer.line.seed ^ (number << 1 | u64::from(writer.direction.is_up()));
    let conditions = writer.conditions.clone();
    let reader = Reader { reads, pieces, conditions, direction: writer.direction };
    let chance = Chance::seeded(seed);
    // The writer ends after the reader's last word, or earlier with the connection.
    let reading = async {
        reader.run(&chance).await;
        std::future::pending().await
    };
    tokio::select! { written = writer.run(waiting) => written, written = reading => written }
}

struct Reader<'a> {
    reads: ReadHalf<'a>,
    pieces: mpsc::Sender<Piece>,
    conditions: watch::Receiver<Conditions>,
    direction: Direction,
}

impl Reader<'_> {
    /// Reads to the end, or until nobody writes any more.
    async fn run(mut self, chance: &Chance) -> Option<()> {
        let room = Arc::new(Semaphore::new(IN_FLIGHT_BYTES_MAX as usize));
        let mut piece = vec![0; PIECE_BYTES_MAX];
        let mut due = Instant::now();
        loop {
            let news = match self.reads.read(&mut piece).await {
                Ok(0) => News::Finished,
                Ok(read) => {
                    let count = u32::try_from(read).ok()?;
                    let permit = room.clone().acquire_many_owned(count).await.ok()?;
                    News::Bytes(piece[..read].to_vec(), permit)
                }
                Err(_) => News::Broken,
            };
            let way = self.direction.of(&self.conditions.borrow());
            let later = way.latency + way.jitter.mul_f64(chance.fraction());
            due = due.max(Instant::now() + later);
            let last = !matches!(news, News::Bytes(..));
            self.pieces.send(Piece { due, news }).await.ok()?;
            if last {
                return Some(());
            }
        }
    }
}

struct Writer<'a> {
    writes: WriteHalf<'a>,
    conditions: watch::Receiver<Conditions>,
    direction: Direction,
    line: &'a Line,
    /// Something was swallowed: the connection must not go on.
    lossy: bool,
    /// The receiver is gone; who sends hears of it from the other way.
    deaf: bool,
    cut: Option<Cut>,
    cut_left: u64,
    /// The limited rate allows the next byte at this moment.
    free_at: Instant,
}

impl<'a> Writer<'a> {
    fn new(writes: WriteHalf<'a>, direction: Direction, line: &'a Line) -> Self {
        Self {
            writes,
            conditions: line.conditions.subscribe(),
            direction,
            line,
            lossy: false,
            deaf: false,
            cut: None,
            cut_left: 0,
            free_at: Instant::now(),
        }
    }

    async fn run(mut self, mut waiting: mpsc::Receiver<Piece>) -> Result<(), Ending> {
        loop {
            let piece = tokio::select! {
                piece = waiting.recv() => piece,
                () = self.lost_and_healed() => return Err(Ending::Reset),
            };
            // The reader always says a last word first.
            let Some(piece) = piece else { return Ok(()) };
            sleep_until(piece.due).await;
            match (self.flow().await, piece.news) {
                (Arrival::Passes, News::Bytes(bytes, _permit)) => self.write(&bytes).await?,
                (Arrival::Passes, News::Finished) => {
                    self.deaf |= self.writes.shutdown().await.is_err();
                    return Ok(());
                }
                (Arrival::Passes, News::Broken) => return Err(Ending::Reset),
                (Arrival::IsSwallowed, News::Bytes(..)) => self.lossy = true,
                (Arrival::IsSwallowed, News::Finished | News::Broken) => {
                    self.lossy = true;
                    self.lost_and_healed().await;
                    return Err(Ending::Reset);
                }
            }
        }
    }

    fn way(&mut self) -> Way {
        self.direction.of(&self.conditions.borrow_and_update())
    }

    /// What becomes of a piece that is due; waits while the flow is held.
    async fn flow(&mut self) -> Arrival {
        loop {
            match self.way().flow {
                Flow::Passing => return Arrival::Passes,
                Flow::Swallowed => return Arrival::IsSwallowed,
                Flow::Held => self.changed().await,
            }
        }
    }

    /// Returns once something was lost and the line is no longer one that loses.
    async fn lost_and_healed(&mut self) {
        while !self.lossy || self.way().flow == Flow::Swallowed {
            self.changed().await;
        }
    }

    async fn changed(&mut self) {
        if self.conditions.changed().await.is_err() {
            // The proxy is gone, and ends its connections.
            std::future::pending::<()>().await;
        }
    }

    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Ending> {
        while !bytes.is_empty() && !self.deaf {
            let way = self.way();
            let mut most = bytes.len();
            if let Some(rate) = way.rate_max {
                sleep_until(self.free_at).await;
                most = most.min(usize::try_from(rate / RATE_STEPS).unwrap_or(usize::MAX).max(1));
                let takes = Duration::from_secs(most as u64) / rate.max(1);
                self.free_at = self.free_at.max(Instant::now()) + takes;
            }
            if self.cut != way.cut {
                self.cut = way.cut;
                self.cut_left = way.cut.map_or(0, |cut| cut.after_bytes);
            }
            if self.cut.is_some() {
                most = most.min(usize::try_from(self.cut_left).unwrap_or(usize::MAX));
            }
            let (now, later) = bytes.split_at(most);
            self.deaf = self.writes.write_all(now).await.is_err();
            bytes = later;
            self.count(now.len());
            if let Some(cut) = self.cut {
                self.cut_left = self.cut_left.saturating_sub(now.len() as u64);
                if self.cut_left == 0 {
                    return Err(cut.ending);
                }
            }
        }
        Ok(())
    }

    fn count(&self, bytes: usize) {
        let counter = match self.direction {
            Direction::Up => &self.line.up,
            Direction::Down => &self.line.down,
        };
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

enum Arrival {
    Passes,
    IsSwallowed,
}
