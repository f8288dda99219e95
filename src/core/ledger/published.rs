//! The published log over HTTP, for anybody: C2SP tlog-tiles under [`PREFIX`], and the key that
//! signs its checkpoints. The files hold commitments and times, nothing of what was logged.

use crate::anchoring::WITNESSED;
use crate::chain::note::MAX_NOTE_BYTES;
use crate::chain::tiles::{CHECKPOINT, MAX_FILE_BYTES, Tile};
use crate::digest::sha256_hex;
use crate::http::{Body, Headers, HttpReply};
use crate::ports::{Bucket, BucketError, Object};

/// The path of each file, before its name.
pub const PREFIX: &str = "/log/";
const KEY: &str = "key";
/// The key changes with the origin, which is another log.
const KEY_CACHE: &str = "public, max-age=3600";
const TEXT: &str = "text/plain; charset=utf-8";

/// The answer to GET and HEAD of a path below [`PREFIX`]; None for other methods.
pub async fn respond(
    files: &dyn Bucket,
    verifier_key: Option<&str>,
    method: &str,
    path: &str,
    headers: &dyn Headers,
) -> Option<HttpReply> {
    if !matches!(method, "GET" | "HEAD") {
        return None;
    }
    let name = path.strip_prefix(PREFIX)?;
    let limit = match name {
        KEY => {
            let unset = || plain(503, "the log's key is not set up");
            return Some(verifier_key.map_or_else(unset, |key| shown(&key_file(key), headers)));
        }
        CHECKPOINT | WITNESSED => MAX_NOTE_BYTES,
        _ if Tile::parse(name).is_some() => MAX_FILE_BYTES,
        _ => {
            return Some(plain(
                404,
                "there is no such file in a log of C2SP tlog-tiles",
            ));
        }
    };
    let found = match name {
        CHECKPOINT => checkpoint(files).await,
        _ => files.get(name, limit).await,
    };
    Some(match found {
        Ok(Some(file)) => shown(&file, headers),
        Ok(None) => plain(
            404,
            "the log has no such file now: read the checkpoint first",
        ),
        Err(BucketError::TooLarge { .. }) => plain(500, "what is stored there is no file of a log"),
        Err(_) => plain(503, "the log's files cannot be read now, try again"),
    })
}

/// The newest checkpoint, with the cosignatures of witnesses once they are there.
async fn checkpoint(files: &dyn Bucket) -> Result<Option<Object>, BucketError> {
    let Some(newest) = files.get(CHECKPOINT, MAX_NOTE_BYTES).await? else {
        return Ok(None);
    };
    // Without it the log's own head is still true, and the reader sees who has not cosigned.
    let witnessed = files.get(WITNESSED, MAX_NOTE_BYTES).await.unwrap_or(None);
    // Cosignatures are lines after those of the log's own note.
    let same = |file: &Object| file.bytes.starts_with(&newest.bytes);
    Ok(Some(witnessed.filter(same).unwrap_or(newest)))
}

fn key_file(verifier_key: &str) -> Object {
    Object {
        bytes: format!("{verifier_key}\n").into_bytes().into(),
        content_type: TEXT.to_owned(),
        cache_control: KEY_CACHE.to_owned(),
        version: String::new(),
    }
}

fn shown(file: &Object, headers: &dyn Headers) -> HttpReply {
    let version = match file.version.as_str() {
        "" => &sha256_hex(&file.bytes),
        version => version,
    };
    let tag = format!("\"{version}\"");
    let reply = if has(headers.get("if-none-match").as_deref(), &tag) {
        HttpReply::empty(304)
    } else {
        let reply = HttpReply {
            body: Body::Bytes(file.bytes.to_vec()),
            ..HttpReply::empty(200)
        };
        reply.with_header("content-type", file.content_type.clone())
    };
    reply
        .with_header("cache-control", file.cache_control.clone())
        .with_header("etag", tag)
}

/// Whether the client has it already (RFC 9110 section 13.1.2).
fn has(known: Option<&str>, tag: &str) -> bool {
    let same = |one: &str| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag;
    known.is_some_and(|known| known.split(',').map(str::trim).any(same))
}

fn plain(status: u16, text: &str) -> HttpReply {
    HttpReply {
        body: Body::Bytes(format!("{text}\n").into_bytes()),
        ..HttpReply::empty(status)
    }
    .with_header("content-type", TEXT)
    .with_header("cache-control", "no-store")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{MemoryBucket, block_on};

    const FILE: &str = "tile/0/000";

    fn ask(method: &str, path: &str, known: Option<&str>) -> Option<HttpReply> {
        let known = known.map(|known| ("if-none-match", known));
        let headers: Vec<(&str, &str)> = known.into_iter().collect();
        let files = MemoryBucket::default();
        let object = |bytes: &'static [u8], cache: &str| Object {
            bytes: bytes.into(),
            content_type: "application/octet-stream".to_owned(),
            cache_control: cache.to_owned(),
            version: String::new(),
        };
        let stored = [
            (FILE, object(b"hashes", "immutable")),
            (CHECKPOINT, object(b"head", "no-cache")),
            ("secret", object(b"x", "")),
        ];
        files
            .0
            .borrow_mut()
            .extend(stored.map(|(key, file)| (key.to_owned(), file)));
        block_on(respond(
            &files,
            Some("example.com/log+1234+abcd"),
            method,
            path,
            &headers,
        ))
    }

    fn get(path: &str) -> HttpReply {
        ask("GET", path, None).unwrap()
    }

    fn header<'a>(reply: &'a HttpReply, name: &str) -> &'a str {
        let found = reply.headers.iter().find(|(key, _)| *key == name);
        found.map_or("", |(_, value)| value)
    }

    #[test]
    fn files_come_as_they_are_stored() {
        let reply = get("/log/tile/0/000");
        assert_eq!(
            (reply.status, header(&reply, "cache-control")),
            (200, "immutable")
        );
        assert_eq!(header(&reply, "content-type"), "application/octet-stream");
        assert!(matches!(&reply.body, Body::Bytes(bytes) if bytes == b"hashes"));
        assert_eq!(header(&get("/log/checkpoint"), "cache-control"), "no-cache");
        let key = get("/log/key");
        assert!(matches!(&key.body, Body::Bytes(bytes) if bytes == b"example.com/log+1234+abcd\n"));
        assert_eq!(ask("HEAD", "/log/checkpoint", None).unwrap().status, 200);
    }

    #[test]
    fn the_checkpoint_has_its_cosignatures_once_they_are_there() {
        let serve = |own: &'static str, witnessed: &'static str| {
            let files = MemoryBucket::default();
            for (key, text) in [(CHECKPOINT, own), (WITNESSED, witnessed)] {
                let object = Object {
                    bytes: text.into(),
                    content_type: TEXT.to_owned(),
                    cache_control: "no-cache".to_owned(),
                    version: String::new(),
                };
                files.0.borrow_mut().insert(key.to_owned(), object);
            }
            let none: Vec<(&str, &str)> = Vec::new();
            let served = respond(&files, None, "GET", "/log/checkpoint", &none);
            match block_on(served).unwrap().body {
                Body::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
                other => panic!("{other:?}"),
            }
        };
        let cosigned = "log\n9\nroot\n\n— log own\n— witness other\n";
        assert_eq!(serve("log\n9\nroot\n\n— log own\n", cosigned), cosigned);
        // Those of an older head are not of this one.
        let newer = "log\n10\nroot\n\n— log own\n";
        assert_eq!(serve(newer, cosigned), newer);
    }

    #[test]
    fn the_checkpoint_is_served_while_its_cosignatures_cannot_be_read() {
        let files = MemoryBucket::default();
        // A file longer than a note may be is refused by the bucket.
        for (key, bytes) in [
            (CHECKPOINT, vec![b'h'; 4]),
            (WITNESSED, vec![b'h'; MAX_NOTE_BYTES + 1]),
        ] {
            let object = Object {
                bytes: bytes.into(),
                content_type: TEXT.to_owned(),
                cache_control: "no-cache".to_owned(),
                version: String::new(),
            };
            files.0.borrow_mut().insert(key.to_owned(), object);
        }
        let none: Vec<(&str, &str)> = Vec::new();
        let served = respond(&files, None, "GET", "/log/checkpoint", &none);
        let served = block_on(served).unwrap();
        assert_eq!(served.status, 200);
        assert!(matches!(&served.body, Body::Bytes(bytes) if bytes == b"hhhh"));
    }

    #[test]
    fn who_has_the_file_is_told_so() {
        let tag = header(&get("/log/tile/0/000"), "etag").to_owned();
        for known in [
            tag.clone(),
            format!("W/{tag}"),
            format!("\"x\", {tag}"),
            "*".to_owned(),
        ] {
            let reply = ask("GET", "/log/tile/0/000", Some(&known)).unwrap();
            assert_eq!((reply.status, header(&reply, "etag")), (304, tag.as_str()));
            assert!(matches!(reply.body, Body::Empty));
        }
        let other = ask("GET", "/log/tile/0/000", Some("\"x\"")).unwrap();
        assert_eq!(other.status, 200);
    }

    #[test]
    fn nothing_but_the_logs_own_files_is_served() {
        for path in [
            "secret",
            "",
            "tile/0/001",
            "tile/0/../../secret",
            "tile/0/000?x",
            "checkpoint/",
        ] {
            assert_eq!(get(&format!("/log/{path}")).status, 404, "{path}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            assert!(ask(method, "/log/checkpoint", None).is_none());
        }
        assert!(ask("GET", "/elsewhere", None).is_none());
    }
}
