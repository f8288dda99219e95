//! The way of a run to the model: the server's key, the policy's bounds, the manifest's words.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::world::{MODEL_KEY, World};

type Asked = Arc<Mutex<Vec<(String, Value)>>>;

/// A model that answers everything with the number of the request.
fn model(status: u16) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut seen = seen.lock().unwrap();
            seen.push(read(&stream));
            reply(&mut stream, status, seen.len());
        }
    });
    (url, asked)
}

/// Head and body of a request.
pub fn read(stream: &TcpStream) -> (String, Value) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(reader.read_line(&mut head).unwrap(), 0);
    }
    let length = head.lines().find_map(|line| {
        line.to_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    let mut body = vec![0; length.unwrap()];
    reader.read_exact(&mut body).unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

pub fn reply(stream: &mut TcpStream, status: u16, number: usize) {
    let answer = json!({
        "id": format!("answer-{number}"), "model": "gpt-4-0613",
        "choices": [{ "message": { "content": format!("number {number}") }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 10, "completion_tokens": number, "total_tokens": 10 + number },
    })
    .to_string();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nx-request-id: req-{number}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{answer}",
        answer.len()
    )
    .unwrap();
}

const BARE: &str = r#"{"messages": []}"#;

/// Asks by plain HTTP, as any client would, and prints what comes back.
fn ask(request: &str, path: &str) -> String {
    format!(
        r#"perl -MIO::Socket::INET -e '
        my $body = q({request});
        my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:8080") or die "no relay";
        print $s "POST {path} HTTP/1.1\r\nhost: model\r\nconnection: close\r\ncontent-length: ", length($body), "\r\n\r\n", $body;
        print while <$s>;' >> /output/output.txt; "#
    )
}

fn world(url: &str, options: &[&str]) -> World {
    let mut all = vec!["--development", "--time-secs", "20", "--model-url", url];
    all.extend(options);
    World::start(&all)
}

#[test]
fn the_agent_asks_within_the_policy_and_the_manifest_tells() {
    let (url, asked) = model(200);
    let world = world(&url, &[]);
    let request = json!({ "model": "dearest", "temperature": 2, "max_tokens": 100_000, "messages": [{ "role": "user", "content": "hi" }] });
    let script = ask(&request.to_string(), "/v1/chat/completions").repeat(2);
    let output = world.good(&script);
    let said = output["output"].as_str().unwrap();
    assert!(
        said.contains("number 1") && said.contains("number 2"),
        "{said}"
    );
    assert!(!said.contains(MODEL_KEY));

    let asked = asked.lock().unwrap();
    let (head, body) = &asked[1];
    assert!(head.starts_with("POST /v1/chat/completions "), "{head}");
    assert!(
        head.contains(&format!("authorization: Bearer {MODEL_KEY}")),
        "{head}"
    );
    assert_eq!(
        body,
        &json!({ "model": "gpt-4", "temperature": 0, "max_tokens": 4096, "messages": request["messages"] })
    );

    let manifest: Value = serde_json::from_str(output["manifest"].as_str().unwrap()).unwrap();
    assert_eq!(manifest["model_answered"], "gpt-4-0613");
    assert_eq!(manifest["provider"]["request_id"], "req-2");
    assert_eq!(manifest["provider"]["response_id"], "answer-2");
    assert_eq!(
        manifest["usage"],
        json!({ "prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23 })
    );
    let calls = output["calls"].as_array().unwrap();
    assert_eq!((calls.len(), &calls[0]["request_id"]), (2, &json!("req-1")));
}

#[test]
fn nothing_but_the_models_answers_can_be_asked_for() {
    let (url, asked) = model(200);
    let world = world(&url, &[]);
    let refused = [
        ask("{}", "/v1/files"),
        ask("{}", "/"),
        ask("[]", "/v1/chat/completions"),
        ask(
            r#"{"messages": [], "stream": true}"#,
            "/v1/chat/completions",
        ),
        ask(
            r#"{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.test"}}]}]}"#,
            "/v1/chat/completions",
        ),
    ];
    let output = world.good(&refused.concat());
    let said = output["output"].as_str().unwrap();
    let statuses: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("HTTP/1.1 "))
        .collect();
    assert_eq!(statuses.len(), refused.len(), "{said}");
    assert!(
        statuses.iter().all(|line| line.contains("HTTP/1.1 4")),
        "{said}"
    );
    assert_eq!(asked.lock().unwrap().len(), 0);
    let manifest: Value = serde_json::from_str(output["manifest"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&manifest["model_answered"], &manifest["usage"]),
        (&json!(""), &Value::Null)
    );
}

#[test]
fn calls_are_bounded() {
    let (url, asked) = model(200);
    let world = world(&url, &["--model-calls", "2"]);
    let output = world.good(&ask(BARE, "/v1/chat/completions").repeat(4));
    assert_eq!(
        output["output"]
            .as_str()
            .unwrap()
            .matches("HTTP/1.1 429")
            .count(),
        2
    );
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[test]
fn what_is_sent_is_bounded() {
    let (url, asked) = model(200);
    let world = world(&url, &["--model-kib", "2"]);
    let long = |bytes: usize| {
        let request =
            json!({ "messages": [{ "role": "user", "content": "x".repeat(bytes) }] }).to_string();
        ask(&request, "/v1/chat/completions")
    };
    let output = world.good(&[long(3_000), long(1_000), long(1_500), long(100)].concat());
    let said = output["output"].as_str().unwrap();
    let statuses: Vec<&str> = said
        .lines()
        .filter_map(|line| line.split_once("HTTP/1.1 ")?.1.get(..3))
        .collect();
    assert_eq!(statuses, ["413", "200", "429", "200"], "{said}");
    let manifest: Value = serde_json::from_str(output["manifest"].as_str().unwrap()).unwrap();
    assert_eq!(manifest["policy"]["sandbox"]["max_request_bytes"], 2_048);
    let sent = asked.lock().unwrap();
    for (number, (_, body)) in sent.iter().enumerate() {
        let bytes = body.to_string().len();
        assert_eq!(output["calls"][number]["request_bytes"], bytes);
    }
}

#[test]
fn a_failed_run_tells_of_the_models_refusal() {
    let (url, _) = model(401);
    let world = world(&url, &[]);
    let id = world.ingest(&format!("{} exit 3", ask(BARE, "/v1/chat/completions")));
    let (_, body) = world.run(&id);
    let reason =
        "AGENT_FAILED: the agent ended with status 3; the model's last answer was HTTP 401";
    assert_eq!(body["error"]["reason"], reason, "{body}");
    assert_eq!(body["error"]["calls"][0]["status"], 401, "{body}");
    assert_eq!(body["error"]["calls"].as_array().unwrap().len(), 1);
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let world = self::world(&format!("http://{gone}/v1"), &[]);
    let said = world.bad(&format!("{} exit 3", ask(BARE, "/v1/chat/completions")));
    assert!(said.contains("the model gave no answer"), "{said}");
}
