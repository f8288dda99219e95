//! The programs of a package, run over it as its receiver would.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// What `verify.sh` says, and its exit code. Of the arguments those that are files of the package
/// are given as copies that reached the reader in another way.
pub fn verify_sh(files: &BTreeMap<String, Vec<u8>>, arguments: &[&str]) -> (i32, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("package-{}-{number}", std::process::id()));
    for (path, bytes) in files {
        let path = folder.join("package").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let arguments = arguments.iter().enumerate().map(|(place, argument)| {
        let Some(copy) = files.get(*argument) else {
            return (*argument).to_owned();
        };
        let name = format!("copy-{place}");
        std::fs::write(folder.join(&name), copy).unwrap();
        name
    });
    let done = Command::new("sh")
        .arg("package/verify/verify.sh")
        .args(arguments)
        .current_dir(&folder)
        .output()
        .unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    let said = [done.stdout, done.stderr].concat();
    (
        done.status.code().unwrap(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}
