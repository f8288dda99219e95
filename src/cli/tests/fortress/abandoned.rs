//! Calls to the model that the agent does not wait for.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::spawn;

use serde_json::{Value, json};

use super::model::{read, reply};
use super::world::{World, until};

/// A folder that the agent sees.
struct Shown(PathBuf);

impl Shown {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("chf-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A model that tells the agent once it has the request, and hands the connection out.
fn model(shown: &Shown) -> (String, Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let (tell, asked): (Sender<TcpStream>, _) = channel();
    let path = shown.0.join("asked");
    spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            read(&stream);
            fs::write(&path, "").unwrap();
            tell.send(stream).unwrap();
        }
    });
    (url, asked)
}

/// Asks, hangs up once the model has the request, and ends.
fn hangs_up(shown: &Shown) -> String {
    let path = shown.0.join("asked").display().to_string();
    format!(
        r#"perl -MIO::Socket::INET -e '
        my $body = q({{"messages": [{{"role": "user", "content": "hi"}}]}});
        my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:8080") or die "no relay";
        print $s "POST /v1/chat/completions HTTP/1.1\r\nhost: model\r\ncontent-length: ", length($body), "\r\n\r\n", $body;
        $s->flush;
        select(undef, undef, undef, 0.01) until -e "{path}";
        close $s;'
        echo done > /output/output.txt"#
    )
}

fn world(url: &str, shown: &Shown, secs: &str) -> World {
    let folder = shown.0.to_str().unwrap();
    World::start(&[
        "--development",
        "--model-url",
        url,
        "--bind",
        folder,
        "--time-secs",
        secs,
    ])
}

/// What `/output` says of a run that is expected to be completed.
fn completed(world: &World, id: &str) -> (Value, Value) {
    let (status, body) = world.run(id);
    assert_eq!(status, 200, "{body}");
    let (_, output) = world.get(&format!("/output/{id}.txt"));
    let manifest = output["manifest"].as_str().unwrap();
    (serde_json::from_str(manifest).unwrap(), output)
}

#[test]
fn one_that_is_answered_later_is_signed_and_counted() {
    let shown = Shown::new("later");
    let (url, asked) = model(&shown);
    let world = world(&url, &shown, "60");
    let id = world.ingest(&hangs_up(&shown));
    let (manifest, output) = std::thread::scope(|scope| {
        let run = scope.spawn(|| completed(&world, &id));
        let mut stream = asked.recv().unwrap();
        until("the agent is gone", || world.sandboxed().is_empty());
        reply(&mut stream, 200, 1);
        run.join().unwrap()
    });
    assert_eq!(manifest["model_answered"], "gpt-4-0613");
    assert_eq!(
        manifest["usage"],
        json!({ "prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11 })
    );
    assert_eq!(output["calls"][0]["status"], 200);
}

#[test]
fn one_that_is_never_answered_ends_with_the_runs_time() {
    let shown = Shown::new("never");
    let (url, asked) = model(&shown);
    let world = world(&url, &shown, "3");
    let id = world.ingest(&hangs_up(&shown));
    let (manifest, output) = completed(&world, &id);
    // It may have been used, so nobody says that it was not.
    assert_eq!(manifest["usage"], json!(null));
    let calls = output["calls"].as_array().unwrap();
    assert_eq!((calls.len(), &calls[0]["status"]), (1, &json!(null)));
    assert!(calls[0]["request_bytes"].as_u64() > Some(50), "{output}");
    // The server has hung up.
    assert_eq!(asked.recv().unwrap().read(&mut [0]).unwrap(), 0);
}
