//! Before the server serves: does the sandbox hold?

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::account::Allowance;
use super::jobs::Jobs;
use super::log::log;
use super::model::Proxy;
use super::sandbox::Task;
use super::sandbox::probe::{FINDINGS, Finding, Outside, SEEN};

const HELP: &str = "the server refuses to run agents in a sandbox that does not hold. Often user \
                    namespaces are forbidden (sysctl kernel.unprivileged_userns_clone, \
                    kernel.apparmor_restrict_unprivileged_userns, user.max_user_namespaces, or \
                    the container's own settings)";

/// # Errors
/// What does not hold, and what may help.
pub async fn hold(jobs: &Jobs, server: SocketAddr, data: &Path) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let socket = jobs.folders.sockets.join("trial");
    let _stale = std::fs::remove_file(&socket);
    let nothing = Allowance {
        calls: 0,
        request_bytes: 0,
        until: Instant::now() + Duration::from_millis(jobs.sandbox.policy.timeout_ms),
    };
    let proxy = Proxy::open(&jobs.upstream, &socket, (&jobs.model, 1), nothing).map_err(text)?;
    let mut folders = vec![data.to_owned()];
    folders.extend(
        std::env::current_dir()
            .ok()
            .filter(|folder| is_hidden(folder, jobs)),
    );
    let outside = json!(Outside { server, folders }).to_string();
    let command = ["/chitty", "fortress", "sandbox-probe", &outside].map(str::to_owned);
    let input = jobs.folders.inputs.join("trial");
    std::fs::create_dir_all(&input).map_err(text)?;
    let _stale = std::fs::remove_file(input.join(SEEN));
    let seen = Notify::new();
    let task = Task {
        command: &command,
        limits: &jobs.sandbox.limits,
        input: &input,
        socket: &socket,
        model: &jobs.model,
        time_left: None,
        seen: Some(&seen),
    };
    let mut run = pin!(jobs.sandbox.run(&task));
    let ended = tokio::select! {
        ended = &mut run => ended,
        () = seen.notified() => {
            // The probe waits for it.
            std::fs::write(input.join(SEEN), "").map_err(text)?;
            run.await
        }
    };
    drop(proxy);
    let _removed = std::fs::remove_file(&socket);
    let said = String::from_utf8_lossy(&ended.diagnostics)
        .trim()
        .to_owned();
    let findings = ended
        .result
        .map_err(|failure| format!("{failure} ({said}): {HELP}"))?;
    judge(&findings)
}

/// A folder that no agent should see: not one of those it is shown.
fn is_hidden(folder: &PathBuf, jobs: &Jobs) -> bool {
    let shown = [
        "/usr", "/bin", "/lib", "/lib64", "/sbin", "/tmp", "/proc", "/dev", "/output", "/input",
    ];
    let is_root = folder == Path::new("/");
    let is_shown = |other: &Path| folder.starts_with(other) || other.starts_with(folder);
    !is_root
        && !shown.iter().any(|other| is_shown(Path::new(other)))
        && !jobs.sandbox.binds.iter().any(|other| is_shown(other))
}

fn judge(findings: &str) -> Result<(), String> {
    let findings: Vec<Finding> = serde_json::from_str(findings)
        .map_err(|_| format!("the trial's findings are unreadable: {HELP}"))?;
    let broken: Vec<&str> = findings
        .iter()
        .filter(|finding| !finding.holds)
        .map(|finding| finding.what.as_str())
        .collect();
    if findings.len() != FINDINGS {
        return Err(format!("the trial is not complete: {HELP}"));
    }
    if !broken.is_empty() {
        return Err(format!(
            "not so in the sandbox: {}. {HELP}",
            broken.join("; ")
        ));
    }
    log(
        "info",
        "sandbox_holds",
        &json!({ "findings": findings.len() }),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_finding_that_does_not_hold_is_enough() {
        let finding = |holds: bool| json!({ "what": "it is closed", "holds": holds });
        let mut findings = vec![finding(true); FINDINGS];
        assert!(judge(&json!(findings).to_string()).is_ok());
        findings[3] = finding(false);
        let error = judge(&json!(findings).to_string()).unwrap_err();
        assert!(error.contains("it is closed"), "{error}");
        assert!(judge(&json!(findings[..2]).to_string()).is_err());
        assert!(judge("yes").is_err());
    }
}
