//! The one way out of the sandbox: connections to a port of its own loopback go on to the
//! server's Unix socket.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use super::RELAY_PORT;
use super::command::MODEL_SOCKET;

/// Each takes two threads.
const MAX_CONNECTIONS: usize = 16;

/// Listens from now on, in a thread of its own.
pub fn start() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", RELAY_PORT))?;
    thread::Builder::new().spawn(move || accept(&listener))?;
    Ok(())
}

fn accept(listener: &TcpListener) {
    let open = Arc::new(());
    for client in listener.incoming().flatten() {
        if Arc::strong_count(&open) <= MAX_CONNECTIONS {
            // The agent has used up its threads, or the server is gone: it sees a closed
            // connection.
            let _refused = join(client, Arc::clone(&open));
        }
    }
}

fn join(client: TcpStream, open: Arc<()>) -> io::Result<()> {
    let server = UnixStream::connect(MODEL_SOCKET)?;
    let (mut up, mut down) = (client.try_clone()?, client);
    let (mut to_server, mut from_server) = (server.try_clone()?, server);
    thread::Builder::new().spawn(move || {
        pass(&mut up, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    })?;
    thread::Builder::new().spawn(move || {
        pass(&mut from_server, &mut down);
        let _ = down.shutdown(Shutdown::Both);
        drop(open);
    })?;
    Ok(())
}

/// Until either side ends.
fn pass(from: &mut impl Read, to: &mut impl Write) {
    let _ended = io::copy(from, to);
}
