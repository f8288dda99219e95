//! HTTP for callers and for agents, with bounds on how many connect and how long they may take.

use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time;

use super::log::log;

const HEADER_TIME: Duration = Duration::from_secs(10);
const BODY_TIME: Duration = Duration::from_secs(20);

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    TooLarge,
    Slow,
}

/// Serves until it is dropped, and its connections with it. Whoever comes while `places` of them
/// are open waits in the kernel's queue. A place is for one request, and for no longer than
/// `life`: so nobody keeps it by asking on, or by not reading the answer.
pub async fn serve(mut listener: impl Listener, router: Router, places: usize, life: Duration) {
    let mut open = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await;
        let served = connection(TokioIo::new(stream), router.clone());
        open.spawn(time::timeout(life, served));
        while open.try_join_next().is_some() {}
        while open.len() >= places {
            let _ended = open.join_next().await;
        }
    }
}

async fn connection<S>(stream: TokioIo<S>, router: Router)
where
    TokioIo<S>: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .keep_alive(false)
        .serve_connection(stream, TowerToHyperService::new(router));
    if let Err(error) = served.await {
        log(
            "debug",
            "connection_broken",
            &json!({ "cause": error.to_string() }),
        );
    }
}

/// # Errors
/// It is longer than that, breaks off, or does not arrive in time.
pub async fn body(request: Request, max_bytes: usize) -> Result<Bytes, BodyError> {
    let read = time::timeout(BODY_TIME, to_bytes(request.into_body(), max_bytes)).await;
    let read = read.map_err(|_| BodyError::Slow)?;
    read.map_err(|_| BodyError::TooLarge)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::extract::State;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Semaphore;

    use super::*;

    const LIFE: Duration = Duration::from_mins(1);
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    async fn answer(stream: &mut TcpStream) -> String {
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        String::from_utf8(answer.to_vec()).unwrap()
    }

    /// Served with two places, and three clients that have asked `requests` times.
    async fn crowd(router: Router, life: Duration, requests: usize) -> Vec<TcpStream> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, router, 2, life));
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(&REQUEST.repeat(requests)).await.unwrap();
            clients.push(client);
        }
        clients
    }

    #[tokio::test]
    async fn whoever_comes_late_waits_for_a_place() {
        let turns = Arc::new(Semaphore::new(0));
        let here = Arc::new(AtomicUsize::new(0));
        let doors = (Arc::clone(&turns), Arc::clone(&here));
        let enter = get(
            |State((turns, here)): State<(Arc<Semaphore>, Arc<AtomicUsize>)>| async move {
                here.fetch_add(1, Ordering::Relaxed);
                turns.acquire().await.unwrap().forget();
            },
        );
        let router = Router::new().route("/", enter).with_state(doors);
        let mut clients = crowd(router, LIFE, 1).await;
        let early = time::timeout(Duration::from_millis(100), answer(&mut clients[2])).await;
        assert!(early.is_err(), "there is no place for it");
        assert_eq!(here.load(Ordering::Relaxed), 2);
        turns.add_permits(3);
        for client in &mut clients {
            assert_eq!(answer(client).await, "HTTP/1.1 200");
        }
    }

    #[tokio::test]
    async fn whoever_asks_on_or_does_not_read_loses_the_place() {
        let small = Router::new().route("/", get(|| async { "here" }));
        let mut clients = crowd(small, LIFE, 1_000).await;
        assert_eq!(answer(&mut clients[2]).await, "HTTP/1.1 200");
        // More than the kernel takes for anybody.
        let large = Router::new().route("/", get(|| async { vec![0; 64 << 20] }));
        let mut clients = crowd(large, Duration::from_millis(200), 1).await;
        assert_eq!(answer(&mut clients[2]).await, "HTTP/1.1 200");
    }
}
