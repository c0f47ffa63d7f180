//! A proxy between hosts and one broker, to do to a connection what networks do: cut it, slow it down, swallow what it carries.

use std::net::{Ipv4Addr, TcpListener as Bound};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// What a proxy does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It forwards everything.
    Open,
    /// It forwards a piece of at most so many bytes, waits, and forwards the next.
    Slow {
        /// Bytes of a piece.
        bytes: usize,
        /// The wait in front of each.
        wait: Duration,
    },
    /// It accepts connections, keeps those that there are, and forwards nothing: a host sees a broker that never answers. What
    /// was on its way arrives once it is over.
    Hole,
    /// It ends every connection, those that there are and new ones.
    Closed,
}

#[derive(Debug, Clone, Copy)]
struct Orders {
    mode: Mode,
    /// Counts the cuts: a connection from before the last one ends.
    cuts: u32,
}

/// A proxy on a port of 127.0.0.1. It ends with this.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    orders: watch::Sender<Orders>,
}

/// One thread for all proxies; it lives as long as the process.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("proxy").enable_all().build();
        runtime.expect("a runtime of one thread can be made")
    })
}

impl Proxy {
    /// Starts to forward what comes to one port to another.
    ///
    /// # Errors
    /// The port is taken.
    pub fn start(port: u16, to: u16) -> Result<Self> {
        let bound = Bound::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("a proxy on port {port}"))?;
        bound.set_nonblocking(true)?;
        let (orders, followed) = watch::channel(Orders { mode: Mode::Open, cuts: 0 });
        let _entered = runtime().enter();
        tokio::spawn(accept(TcpListener::from_std(bound)?, to, followed));
        Ok(Self { port, orders })
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sets what it does from now on, with the connections that there are and with new ones.
    pub fn set(&self, mode: Mode) {
        self.orders.send_modify(|orders| orders.mode = mode);
    }

    /// Ends all connections that there are. New ones may come at once.
    pub fn cut(&self) {
        self.orders.send_modify(|orders| orders.cuts += 1);
    }
}

async fn accept(listener: TcpListener, to: u16, mut orders: watch::Receiver<Orders>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // the proxy is gone
            changed = orders.changed() => match changed { Ok(()) => continue, Err(_) => return },
        };
        if let Ok((stream, _)) = accepted
            && orders.borrow().mode != Mode::Closed
        {
            tokio::spawn(forward(stream, to, orders.clone()));
        }
    }
}

/// Forwards both ways until either side, or an order, ends it.
async fn forward(near: TcpStream, to: u16, mut orders: watch::Receiver<Orders>) {
    let cuts = orders.borrow_and_update().cuts;
    // a broker that is down refuses: so does its proxy, a little later
    let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await else { return };
    // small requests are not held back for more to come
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (near, far) = (Arc::new(near), Arc::new(far));
    let up = pump(near.clone(), far.clone(), orders.clone());
    let down = pump(far, near, orders.clone());
    tokio::select! {
        () = up => {}
        () = down => {}
        () = ended(orders, cuts) => {}
    }
}

/// Waits until a connection must end.
async fn ended(mut orders: watch::Receiver<Orders>, cuts: u32) {
    loop {
        let now = *orders.borrow_and_update();
        if now.mode == Mode::Closed || now.cuts != cuts || orders.changed().await.is_err() {
            return;
        }
    }
}

/// Forwards one way, as the orders are at each piece.
async fn pump(from: Arc<TcpStream>, to: Arc<TcpStream>, mut orders: watch::Receiver<Orders>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let mode = orders.borrow_and_update().mode;
        let most = match mode {
            Mode::Hole => match orders.changed().await {
                Ok(()) => continue,
                Err(_) => return,
            },
            Mode::Slow { bytes, wait } => {
                tokio::time::sleep(wait).await;
                bytes.clamp(1, buffer.len())
            }
            Mode::Open | Mode::Closed => buffer.len(),
        };
        // whoever has nothing to forward hears of new orders first
        let readable = tokio::select! {
            readable = from.readable() => readable,
            changed = orders.changed() => match changed { Ok(()) => continue, Err(_) => return },
        };
        let count = match readable.and_then(|()| from.try_read(&mut buffer[..most])) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            match to.writable().await.and_then(|()| to.try_write(rest)) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::TcpStream;
    use std::time::{Duration, Instant};

    use super::{Mode, Proxy};
    use crate::broker::free_port;

    /// A connection through a proxy to a server that sends everything back.
    fn echo() -> (Proxy, TcpStream) {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap().port();
        let serve = move || {
            for stream in server.incoming() {
                let stream = stream.unwrap();
                std::thread::Builder::new().spawn(move || std::io::copy(&mut &stream, &mut &stream).map(drop)).unwrap();
            }
        };
        std::thread::Builder::new().spawn(serve).unwrap();
        let proxy = Proxy::start(free_port(), to).unwrap();
        let stream = connect(&proxy);
        (proxy, stream)
    }

    fn connect(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn sends_back(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
        stream.write_all(text.as_bytes())?;
        let mut back = vec![0; text.len()];
        stream.read_exact(&mut back)?;
        assert_eq!(back, text.as_bytes());
        Ok(())
    }

    #[test]
    fn a_hole_keeps_what_it_swallows_until_it_is_over() {
        let (proxy, mut stream) = echo();
        sends_back(&mut stream, "before").unwrap();
        proxy.set(Mode::Hole);
        let mut late = connect(&proxy);
        for stream in [&mut stream, &mut late] {
            stream.write_all(b"during").unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let error = stream.read(&mut [0]).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        }
        proxy.set(Mode::Open);
        for stream in [&mut stream, &mut late] {
            let mut back = [0; 6];
            stream.read_exact(&mut back).unwrap();
            assert_eq!(&back, b"during");
        }
    }

    #[test]
    fn cut_connections_end_and_new_ones_come_unless_it_is_closed() {
        let (proxy, mut stream) = echo();
        sends_back(&mut stream, "before").unwrap();
        proxy.cut();
        assert!(!matches!(stream.read(&mut [0]), Ok(1..)));
        let mut again = connect(&proxy);
        sends_back(&mut again, "after").unwrap();
        proxy.set(Mode::Closed);
        assert!(!matches!(again.read(&mut [0]), Ok(1..)));
        assert!(sends_back(&mut connect(&proxy), "closed").is_err());
        proxy.set(Mode::Open);
        sends_back(&mut connect(&proxy), "open").unwrap();
    }

    #[test]
    fn a_slow_proxy_takes_its_time_for_each_piece() {
        let (proxy, mut stream) = echo();
        proxy.set(Mode::Slow { bytes: 10, wait: Duration::from_millis(10) });
        let start = Instant::now();
        sends_back(&mut stream, &"x".repeat(200)).unwrap();
        assert!(start.elapsed() > Duration::from_millis(200), "{:?}", start.elapsed());
    }
}
