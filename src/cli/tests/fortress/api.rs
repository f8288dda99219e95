//! The HTTP API, as its callers meet it.

use chitty_core::digest::sha256_hex;
use chitty_core::openpgp::{PublicKey, SigningKey, verify};
use serde_json::{Value, json};

use super::world::{API_KEY, World, until};

const ECHO: &str = "cat /input/content.txt > /output/output.txt";

fn code(body: &Value) -> &str {
    let error = &body["error"];
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.split(' ').count() > 3, "says too little: {body}");
    error["code"].as_str().unwrap_or_default()
}

#[test]
fn ingest_run_output() {
    let world = World::start(&["--time-secs", "20"]);
    let (status, body) = world.post("/ingest", &json!({ "content": ECHO, "label": "a label" }));
    assert_eq!(status, 200);
    let id = body["input_id"].as_str().unwrap();
    assert_eq!(
        body,
        json!({ "input_id": id, "status": "ingested", "content_hash": sha256_hex(ECHO) })
    );
    let file = format!("{id}.txt");
    let done = (200, json!({ "output_file": file, "status": "completed" }));
    assert_eq!(world.run(id), done);
    assert_eq!(world.run(id), done, "a second run is the same run");

    let (status, output) = world.get(&format!("/output/{file}"));
    assert_eq!((status, &output["output"]), (200, &json!(ECHO)));
    let text = |name: &str| output[name].as_str().unwrap().to_owned();
    let private = std::fs::read_to_string(world.folder.join("key.asc")).unwrap();
    let key = SigningKey::from_armor(&private, None).unwrap();
    assert_eq!(text("verified_by"), key.fingerprint());
    let public = PublicKey::from_armor(&key.public_key_armor()).unwrap();
    let now_secs = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let manifest = text("manifest");
    assert!(verify(manifest.as_bytes(), &text("signature"), &public, now_secs).valid);

    let manifest = chitty_core::fortress::Manifest::parse(&manifest).unwrap();
    assert_eq!(manifest.check(id, None, ECHO, ECHO), Ok(()));
    assert_eq!(manifest.label, "a label");
    let sandbox = manifest.policy.sandbox.unwrap();
    assert_eq!(sandbox.agent, ["/bin/sh", "/input/content.txt"]);
    assert_eq!(
        sandbox.agent_files["/bin/sh"],
        sha256_hex(std::fs::read("/bin/sh").unwrap())
    );

    // The same, on its disk.
    for (end, expected) in [
        ("txt", ECHO.to_owned()),
        ("manifest.json", text("manifest")),
        ("manifest.json.asc", text("signature")),
    ] {
        let path = world.folder.join(format!("data/outputs/{id}.{end}"));
        assert_eq!(std::fs::read_to_string(path).unwrap(), expected);
    }
}

#[test]
fn an_input_id_of_the_callers_own_is_the_same_input() {
    let world = World::start(&["--time-secs", "20"]);
    let input = json!({ "content": ECHO, "label": "l", "input_id": "JOB-1", "evidence_id": "E-1", "model": "gpt-5" });
    for _ in 0..2 {
        assert_eq!(world.post("/ingest", &input).1["input_id"], "JOB-1");
    }
    for (field, other) in [
        ("content", "x"),
        ("label", "x"),
        ("evidence_id", "x"),
        ("model", "x"),
        ("not_after_ms", "4000000000000"),
    ] {
        let mut changed = input.clone();
        changed[field] = serde_json::from_str(other).unwrap_or(json!(other));
        let (status, body) = world.post("/ingest", &changed);
        assert_eq!((status, code(&body)), (409, "INPUT_ID_CONFLICT"));
    }
    assert_eq!(world.run("JOB-1").0, 200);
    assert_eq!(world.post("/ingest", &input).1["status"], "completed");
    let manifest: Value = serde_json::from_str(
        world.get("/output/JOB-1.txt").1["manifest"]
            .as_str()
            .unwrap(),
    )
    .unwrap();
    assert_eq!(
        (&manifest["evidence_id"], &manifest["model_requested"]),
        (&json!("E-1"), &json!("gpt-5"))
    );
}

#[test]
fn an_input_is_run_in_its_callers_time_or_not_at_all() {
    let world = World::start(&["--time-secs", "60"]);
    let now_ms = u64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let ingest = |id: &str, not_after_ms: u64| {
        let input = json!({ "content": "sleep 3600", "label": "l", "input_id": id, "not_after_ms": not_after_ms });
        world.post("/ingest", &input)
    };
    let (status, body) = ingest("late", now_ms);
    assert_eq!((status, code(&body)), (410, "TOO_LATE"));
    assert_eq!(world.run("late").0, 404);
    assert!(!world.files().iter().any(|file| file.contains("late")));

    assert_eq!(ingest("soon", now_ms + 8_000).0, 200);
    let (status, body) = world.run("soon");
    assert_eq!((status, code(&body)), (422, "RUN_FAILED"));
    let reason = body["error"]["reason"].as_str().unwrap();
    assert!(reason.contains("BOUND_EXCEEDED"), "{reason}");
    assert!(reason.contains("time: the caller gave the run"), "{reason}");
    assert!(world.sandboxed().is_empty());
}

#[test]
fn nobody_comes_in_without_the_key() {
    let world = World::start(&[]);
    let (status, body) = world.ask("GET", "/", "", "");
    assert_eq!((status, &body["status"]), (200, &json!("ok")));
    let almost = format!("{API_KEY}0");
    for key in ["", "wrong", &almost, &API_KEY[1..], &API_KEY.to_uppercase()] {
        for (method, path) in [
            ("POST", "/ingest"),
            ("POST", "/run/x"),
            ("GET", "/output/x.txt"),
            ("POST", "/assert"),
        ] {
            let (status, body) = world.ask(method, path, "{}", key);
            assert_eq!((status, code(&body)), (401, "UNAUTHORIZED"), "{path}");
        }
    }
}

#[test]
fn bad_input_is_refused_with_words() {
    let world = World::start(&[]);
    let long = "x".repeat(65_537);
    let cases = [
        (json!({ "label": "l" }), "INVALID_REQUEST"),
        (json!({ "content": "", "label": "l" }), "INVALID_REQUEST"),
        (json!({ "content": long, "label": "l" }), "INVALID_REQUEST"),
        (json!({ "content": "x", "label": "" }), "INVALID_REQUEST"),
        (
            json!({ "content": "x", "label": "a\nb" }),
            "INVALID_REQUEST",
        ),
        (
            json!({ "content": "x", "label": "l", "other": 1 }),
            "INVALID_REQUEST",
        ),
        (
            json!({ "content": "x", "label": "l", "input_id": "../../etc" }),
            "INVALID_REQUEST",
        ),
        (
            json!({ "content": "x", "label": "l", "input_id": "x".repeat(65) }),
            "INVALID_REQUEST",
        ),
        (
            json!({ "content": "x".repeat(600_000), "label": "l" }),
            "BODY_TOO_LARGE",
        ),
    ];
    for (input, expected) in cases {
        assert_eq!(code(&world.post("/ingest", &input).1), expected);
    }
    for body in ["", "{", "[]", "null", "\u{0}"] {
        let (status, body) = world.ask("POST", "/ingest", body, API_KEY);
        assert_eq!((status, code(&body)), (400, "INVALID_REQUEST"));
    }
    for path in [
        "/output/x.txt",
        "/output/..%2F..%2Fkey.asc",
        "/output/x",
        "/output/fortress.sqlite",
        "/elsewhere",
    ] {
        let (status, body) = world.get(path);
        assert_eq!((status, code(&body)), (404, "NOT_FOUND"), "{path}");
    }
    assert_eq!(world.run("no-such").0, 404);
    let waiting = world.ingest(ECHO);
    assert_eq!(
        world.get(&format!("/output/{waiting}.txt")).0,
        404,
        "there is none before it ran"
    );
}

#[test]
fn a_fact_is_kept_under_the_hash_of_its_bytes() {
    let world = World::start(&[]);
    let fact = json!({ "subject": "fortress:job:1", "predicate": "executed_securely", "object": "output:1.txt",
                       "source": "fortress-mcp", "timestamp": 1_700_000_000_000_u64 });
    let (status, body) = world.post("/assert", &fact);
    let id = body["fact_id"].as_str().unwrap();
    assert_eq!(
        (status, body.clone()),
        (
            200,
            json!({ "fact_id": id, "timestamp": 1_700_000_000_000_u64, "status": "stored" })
        )
    );
    assert_eq!(world.post("/assert", &fact).1["fact_id"], id);
    let database = rusqlite::Connection::open(world.folder.join("data/fortress.sqlite")).unwrap();
    let select = "SELECT canonical FROM facts";
    let canonical: String = database.query_row(select, [], |row| row.get(0)).unwrap();
    assert_eq!(sha256_hex(&canonical), id);
    let mut other = fact.clone();
    other["object"] = json!("output:2.txt");
    assert_ne!(world.post("/assert", &other).1["fact_id"], id);
    other["subject"] = json!("");
    assert_eq!(code(&world.post("/assert", &other).1), "INVALID_REQUEST");
}

#[test]
fn runs_at_once_are_bounded_and_one_input_runs_once() {
    let world = World::start(&["--concurrency", "1", "--time-secs", "60"]);
    let slow = world.ingest("sleep 13; echo done > /output/output.txt");
    let waiting = world.ingest(ECHO);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| world.run(&slow));
        until("the sandbox runs", || !world.sandboxed().is_empty());
        let (status, body) = world.run(&slow);
        assert_eq!((status, code(&body)), (409, "RUN_IN_PROGRESS"));
        let (status, body) = world.run(&waiting);
        assert_eq!((status, code(&body)), (503, "BUSY"));
        assert_eq!(first.join().unwrap().0, 200);
    });
    assert_eq!(world.run(&waiting).0, 200);
}

#[test]
fn a_changed_output_is_not_handed_out() {
    let world = World::start(&["--time-secs", "20"]);
    let id = world.ingest(ECHO);
    assert_eq!(world.run(&id).0, 200);
    std::fs::write(world.folder.join(format!("data/outputs/{id}.txt")), "other").unwrap();
    let (status, body) = world.get(&format!("/output/{id}.txt"));
    assert_eq!((status, code(&body)), (500, "INTERNAL"));
}
