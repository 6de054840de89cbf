//! Passes connections on to the server and counts what goes there: bytes of TCP, so frames and headers as well.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Ends with this process.
pub(super) struct Relay {
    address: SocketAddr,
    sent_bytes: Arc<AtomicU64>,
}

impl Relay {
    pub(super) fn to(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let sent_bytes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&sent_bytes);
        std::thread::spawn(move || {
            // One after another: an agent has one connection, and a new one once that is lost.
            for agent in listener.incoming().flatten() {
                drop(pass(agent, server, &counted));
            }
        });
        Ok(Self {
            address,
            sent_bytes,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }
}

/// Until either side closes.
fn pass(mut agent: TcpStream, server: SocketAddr, sent_bytes: &AtomicU64) -> io::Result<()> {
    let mut server = TcpStream::connect(server)?;
    let (mut answers, mut back) = (server.try_clone()?, agent.try_clone()?);
    std::thread::spawn(move || io::copy(&mut answers, &mut back));
    let mut part = vec![0; 64 << 10];
    loop {
        let n_bytes = agent.read(&mut part)?;
        if n_bytes == 0 {
            return Ok(());
        }
        sent_bytes.fetch_add(n_bytes as u64, Ordering::Relaxed);
        server.write_all(part.get(..n_bytes).unwrap_or_default())?;
    }
}
