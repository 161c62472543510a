//! Upstream's p2p traits over a carrier of frames: plain TCP, or channels in this process.
//!
//! A frame on TCP is: u32 big-endian length of the rest, one byte for the channel, the sender's
//! identity (32 bytes), the message. Nothing is authenticated: this is for processes on one machine
//! that trust each other. Each process dials every other, and sends on the connections that it
//! dialled.

use commonware_codec::{DecodeExt, Encode};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{CheckedSender, LimitedSender, Receiver, Recipients};
use commonware_runtime::{IoBuf, IoBufs};
use commonware_utils::channel::mpsc;
use std::{
    collections::HashMap,
    io::{self, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc as queue, Arc,
    },
    thread,
    time::{Duration, SystemTime},
};

pub const NODE: u8 = 0;
pub const ACK: u8 = 1;

/// Messages that wait for upstream's engine, on each channel.
const NODES_WAITING: usize = 4096;
const ACKS_WAITING: usize = 16384;
/// Frames that wait for each peer.
const FRAMES_WAITING: usize = 8192;
/// The channel and the sender, the first bytes that a frame's length counts.
const HEAD: usize = 33;
const MAX_FRAME: usize = 1 << 20;

/// Takes a message for some peers on a channel.
pub trait Wire: Send + Sync + 'static {
    fn send(&self, channel: u8, to: &[PublicKey], message: &IoBuf);
    fn everybody(&self) -> Vec<PublicKey>;
}

#[derive(Clone)]
pub struct Tx {
    pub wire: Arc<dyn Wire>,
    pub channel: u8,
}

pub struct Checked {
    tx: Tx,
    to: Vec<PublicKey>,
}

impl LimitedSender for Tx {
    type PublicKey = PublicKey;
    type Checked<'a> = Checked;

    async fn check<'a>(&'a mut self, r: Recipients<PublicKey>) -> Result<Checked, SystemTime> {
        let to = match r {
            Recipients::All => self.wire.everybody(),
            Recipients::Some(v) => v,
            Recipients::One(p) => vec![p],
        };
        Ok(Checked { tx: self.clone(), to })
    }
}

impl CheckedSender for Checked {
    type PublicKey = PublicKey;
    type Error = io::Error;

    async fn send(self, message: impl Into<IoBufs> + Send, _: bool) -> Result<Vec<PublicKey>, io::Error> {
        self.tx.wire.send(self.tx.channel, &self.to, &message.into().coalesce());
        Ok(self.to)
    }
}

pub type Inbound = mpsc::Sender<(PublicKey, IoBuf)>;

#[derive(Debug)]
pub struct Rx {
    rx: mpsc::Receiver<(PublicKey, IoBuf)>,
    /// The number of messages that the engine has taken.
    pub taken: Arc<AtomicU64>,
}

impl Receiver for Rx {
    type Error = io::Error;
    type PublicKey = PublicKey;

    async fn recv(&mut self) -> Result<(PublicKey, IoBuf), io::Error> {
        let m = self.rx.recv().await.ok_or_else(|| io::Error::other("closed"))?;
        self.taken.fetch_add(1, Relaxed);
        Ok(m)
    }
}

/// The queues into an engine: of nodes, and of acks.
pub fn inbound() -> ((Inbound, Rx), (Inbound, Rx)) {
    let queue = |size| {
        let (tx, rx) = mpsc::channel(size);
        (tx, Rx { rx, taken: Arc::default() })
    };
    (queue(NODES_WAITING), queue(ACKS_WAITING))
}

/// Plain TCP on 127.0.0.1.
pub struct Tcp {
    me: PublicKey,
    out: HashMap<PublicKey, queue::SyncSender<Arc<Vec<u8>>>>,
    /// Frames for which a peer's queue had no room.
    pub dropped: AtomicU64,
    /// The probability that a message is lost.
    loss: f64,
}

impl Wire for Tcp {
    fn send(&self, channel: u8, to: &[PublicKey], message: &IoBuf) {
        let m = message.as_ref();
        let mut frame = Vec::with_capacity(4 + HEAD + m.len());
        frame.extend(((HEAD + m.len()) as u32).to_be_bytes());
        frame.push(channel);
        frame.extend_from_slice(&self.me.encode());
        frame.extend_from_slice(m);
        let frame = Arc::new(frame);
        for queue in to.iter().filter_map(|p| self.out.get(p)) {
            if self.loss > 0.0 && rand::random::<f64>() < self.loss {
                continue;
            }
            if queue.try_send(frame.clone()).is_err() {
                self.dropped.fetch_add(1, Relaxed);
            }
        }
    }

    fn everybody(&self) -> Vec<PublicKey> {
        self.out.keys().cloned().collect()
    }
}

/// Connects to a peer, reconnects when necessary, and writes its frames. Without a connection
/// frames are lost, as on any network.
fn dial(port: u16, frames: queue::Receiver<Arc<Vec<u8>>>) {
    loop {
        let Ok(mut c) = TcpStream::connect(("127.0.0.1", port)) else {
            while frames.try_recv().is_ok() {}
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let _ = c.set_nodelay(true);
        loop {
            let Ok(frame) = frames.recv() else { return };
            let mut buffer = frame.to_vec();
            while buffer.len() < 1 << 16 {
                match frames.try_recv() {
                    Ok(frame) => buffer.extend_from_slice(&frame),
                    Err(_) => break,
                }
            }
            if c.write_all(&buffer).is_err() {
                break;
            }
        }
    }
}

/// Reads frames from a peer until the connection ends or a frame is malformed.
fn serve(c: TcpStream, nodes: Inbound, acks: Inbound) {
    let mut c = BufReader::with_capacity(1 << 16, c);
    let mut head = [0u8; 4 + HEAD];
    while c.read_exact(&mut head).is_ok() {
        let length = u32::from_be_bytes(head[..4].try_into().expect("four bytes")) as usize;
        if !(HEAD..=MAX_FRAME).contains(&length) {
            return;
        }
        let mut message = vec![0; length - HEAD];
        if c.read_exact(&mut message).is_err() {
            return;
        }
        let Ok(from) = PublicKey::decode(&head[5..]) else { return };
        let inbound = match head[4] {
            NODE => &nodes,
            ACK => &acks,
            _ => continue,
        };
        if inbound.blocking_send((from, message.into())).is_err() {
            return;
        }
    }
}

/// Joins the network of `peers`, each with its port.
pub fn tcp(me: PublicKey, peers: Vec<(PublicKey, u16)>, port: u16, loss: f64) -> (Arc<Tcp>, Rx, Rx) {
    let ((nodes, node_rx), (acks, ack_rx)) = inbound();
    let mut out = HashMap::new();
    for (peer, port) in peers {
        let (tx, rx) = queue::sync_channel(FRAMES_WAITING);
        out.insert(peer, tx);
        thread::spawn(move || dial(port, rx));
    }
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap_or_else(|e| panic!("port {port}: {e}"));
    thread::spawn(move || {
        for c in listener.incoming().flatten() {
            let (nodes, acks) = (nodes.clone(), acks.clone());
            thread::spawn(move || serve(c, nodes, acks));
        }
    });
    (Arc::new(Tcp { me, out, dropped: AtomicU64::new(0), loss }), node_rx, ack_rx)
}

/// Channels in this process.
pub struct Memory {
    pub me: PublicKey,
    pub peers: HashMap<PublicKey, (Inbound, Inbound)>,
    pub dropped: Arc<AtomicU64>,
}

impl Wire for Memory {
    fn send(&self, channel: u8, to: &[PublicKey], message: &IoBuf) {
        for (nodes, acks) in to.iter().filter(|p| **p != self.me).filter_map(|p| self.peers.get(p)) {
            let inbound = if channel == NODE { nodes } else { acks };
            if inbound.try_send((self.me.clone(), message.clone())).is_err() {
                self.dropped.fetch_add(1, Relaxed);
            }
        }
    }

    fn everybody(&self) -> Vec<PublicKey> {
        self.peers.keys().cloned().collect()
    }
}
