//! What a server that died left, and what becomes of it.

use super::world::{World, until};

/// The connection breaks with the server.
fn run_until_it_breaks(address: std::net::SocketAddr, id: &str) {
    let url = format!("http://{address}/run/{id}");
    let request = ureq::post(url).header("x-api-key", super::world::API_KEY);
    let _broken = request.send_empty();
}

#[test]
fn jobs_survive_a_restart_and_those_that_ran_have_failed() {
    let mut world = World::start(&["--time-secs", "60"]);
    let done = world.ingest("echo kept > /output/output.txt");
    assert_eq!(world.run(&done).0, 200);
    let signed = world.get(&format!("/output/{done}.txt"));
    let waiting = world.ingest("echo later > /output/output.txt");
    let running = world.ingest("sleep 3600");
    let address = world.address;
    let asked = running.clone();
    let asking = std::thread::spawn(move || run_until_it_breaks(address, &asked));
    let sleeps = |world: &World| {
        world
            .sandboxed()
            .iter()
            .any(|line| line.starts_with("sleep 3600"))
    };
    until("the agent runs", || sleeps(&world));
    world.kill();
    asking.join().unwrap();
    until("the sandbox dies with its server", || {
        world.sandboxed().is_empty()
    });

    world.restart();
    assert_eq!(world.get(&format!("/output/{done}.txt")), signed);
    assert_eq!(world.run(&waiting).0, 200);
    let (status, body) = world.run(&running);
    let said = body["error"]["message"].as_str().unwrap();
    assert_eq!(status, 422);
    assert!(said.contains("INTERRUPTED"), "{said}");
    // Nobody knows what it had asked.
    assert_eq!(body["error"]["calls"], serde_json::Value::Null, "{body}");
}

#[test]
fn a_server_that_dies_while_a_sandbox_is_made_leaves_none() {
    let mut world = World::start(&["--time-secs", "60"]);
    for wait_ms in (0..40).step_by(4) {
        let id = world.ingest("sleep 3600");
        let address = world.address;
        let asking = std::thread::spawn(move || run_until_it_breaks(address, &id));
        std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        world.kill();
        asking.join().unwrap();
        until("the sandbox dies", || world.sandboxed().is_empty());
        world.restart();
    }
}

#[test]
fn a_run_goes_on_without_its_caller() {
    let world = World::start(&["--time-secs", "60"]);
    let id = world.ingest("sleep 2; echo done > /output/output.txt");
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(std::time::Duration::from_millis(500)))
        .build()
        .into();
    let url = format!("http://{}/run/{id}", world.address);
    let left = agent
        .post(url)
        .header("x-api-key", super::world::API_KEY)
        .send_empty();
    assert!(left.is_err());
    until("it is completed", || world.run(&id).0 == 200);
}
