//! The published log, read as a stranger would.

use super::*;
use crate::chain::checkpoint::Checkpoint;
use crate::chain::hash::Hash;
use crate::chain::tests::memory::naive_root;
use crate::chain::tiles::{CHECKPOINT, Kind, Tile, added, hash_bytes};
use crate::ports::Object;

/// Reads checkpoint, entries and tiles; everything has to agree. Returns the head.
pub fn rebuild(files: &MemoryBucket) -> Checkpoint {
    let files = files.0.borrow();
    let note = std::str::from_utf8(&files[CHECKPOINT].bytes).unwrap();
    let head = Checkpoint::open(note, test_key().verifier()).unwrap();
    let tiles = |kind| added(0, head.size).filter(move |tile| tile.kind == kind);
    let bytes = |tile: Tile| files[&tile.to_string()].bytes.clone();
    let mut below: Vec<Hash> = tiles(Kind::Entries)
        .flat_map(|tile| leaves(&bytes(tile)))
        .collect();
    assert_eq!(below.len() as u64, head.size);
    assert_eq!(naive_root(&below), head.root);
    for level in 0.. {
        let stored: Vec<u8> = tiles(Kind::Hashes(level)).flat_map(bytes).collect();
        if stored.is_empty() && below.is_empty() {
            return head;
        }
        assert_eq!(stored, hash_bytes(&below), "level {level}");
        below = below.chunks_exact(256).map(naive_root).collect();
    }
    head
}

fn leaves(mut bundle: &[u8]) -> Vec<Hash> {
    let mut leaves = Vec::new();
    while let Some((length, rest)) = bundle.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        leaves.push(Hash::leaf(entry));
        bundle = rest;
    }
    leaves
}

fn append_all(http: &LogHttp, numbers: std::ops::Range<u64>) {
    for start in numbers.clone().step_by(MAX_APPENDS) {
        let end = numbers.end.min(start + MAX_APPENDS as u64);
        let command = Command::AppendAll((start..end).map(request).collect());
        let served = http.serve(&serde_json::to_vec(&command).unwrap());
        assert_eq!(served.status, 200, "{}", served.body);
    }
}

fn paths(files: &MemoryBucket) -> Vec<String> {
    files.0.borrow().keys().cloned().collect()
}

#[test]
fn each_round_is_published_and_full_files_replace_partial_ones() {
    let http = LogHttp::new(None);
    append_all(&http, 0..3);
    append_all(&http, 3..40);
    assert_eq!(rebuild(&http.files).size, 40);
    let partial = [
        "tile/0/000.p/3",
        "tile/0/000.p/40",
        "tile/entries/000.p/3",
        "tile/entries/000.p/40",
    ];
    assert_eq!(paths(&http.files), [&["checkpoint"], &partial[..]].concat());
    append_all(&http, 40..260);
    assert_eq!(rebuild(&http.files).size, 260);
    let paths = paths(&http.files);
    assert!(
        paths.iter().all(|path| !partial.contains(&path.as_str())),
        "{paths:?}"
    );
    let of = |path: &str| http.files.0.borrow()[path].clone();
    let full: Object = of("tile/0/000");
    assert_eq!(full.cache_control, "public, max-age=31536000, immutable");
    assert_eq!(of("tile/0/001.p/4").cache_control, "public, max-age=60");
    assert_eq!(of("checkpoint").content_type, "text/plain; charset=utf-8");
    assert_eq!(of("checkpoint").cache_control, "no-cache");
}

#[test]
fn nothing_of_a_fact_is_in_the_published_files() {
    let http = LogHttp::new(None);
    append_all(&http, 0..9);
    for (path, file) in &*http.files.0.borrow() {
        let text = String::from_utf8_lossy(&file.bytes).into_owned();
        for word in ["case/", "approved", "review", "ann", "key-", "salt"] {
            assert!(!text.contains(word), "{word} in {path}");
        }
    }
}

/// Another program on the same storage.
fn restarted(http: &LogHttp, change: impl FnOnce(&LogHttp)) -> Rc<LogHttp> {
    let next = LogHttp::new(None);
    std::mem::swap(
        &mut *next.store.0.borrow_mut(),
        &mut *http.store.0.borrow_mut(),
    );
    std::mem::swap(
        &mut *next.files.0.borrow_mut(),
        &mut *http.files.0.borrow_mut(),
    );
    change(&next);
    next
}

fn refusal(http: &LogHttp) -> (u16, String) {
    let body = serde_json::to_vec(&Command::Append(request(99))).unwrap();
    let served = http.serve(&body);
    let body: Value = serde_json::from_str(&served.body).unwrap();
    (
        served.status,
        body["code"].as_str().unwrap_or_default().to_owned(),
    )
}

#[test]
fn a_lost_or_older_published_log_is_published_again() {
    let http = LogHttp::new(None);
    append_all(&http, 0..300);
    let older = http.files.0.borrow().clone();
    append_all(&http, 300..310);
    let newest = http.files.0.borrow()[CHECKPOINT].clone();
    let http = restarted(&http, |next| *next.files.0.borrow_mut() = older);
    assert_eq!(block_on(http.log().tend()), None);
    assert_eq!(http.files.0.borrow()[CHECKPOINT], newest);
    assert_eq!(rebuild(&http.files).size, 310);
    let http = restarted(&http, |next| next.files.0.borrow_mut().clear());
    append_all(&http, 310..311);
    assert_eq!(rebuild(&http.files).size, 311);
}

#[test]
fn a_storage_that_is_behind_or_another_is_refused_and_named() {
    let http = LogHttp::new(None);
    append_all(&http, 0..3);
    let behind = restarted(&http, |next| {
        let mut store = next.store.0.borrow_mut();
        store.entries.clear();
        store.nodes.clear();
        store.rounds.clear();
    });
    assert_eq!(refusal(&behind), (500, "storage_behind".to_owned()));
    assert_eq!(behind.size(), 0, "something was written");

    let another = LogHttp::new(None);
    append_all(&another, 5..9);
    let first = LogHttp::new(None);
    append_all(&first, 0..3);
    let mixed = restarted(&another, |next| {
        *next.files.0.borrow_mut() = first.files.0.borrow().clone();
    });
    assert_eq!(refusal(&mixed), (500, "published_differs".to_owned()));
    assert_eq!(mixed.size(), 4);
    let garbled = restarted(&mixed, |next| {
        let mut files = next.files.0.borrow_mut();
        files.get_mut(CHECKPOINT).unwrap().bytes = Bytes::from_static(b"\xff");
    });
    assert_eq!(refusal(&garbled), (500, "published_differs".to_owned()));
}

fn counted(db: &crate::sql::SqliteDatabase) -> i64 {
    let statement = Statement::new("SELECT count(*) AS n FROM chitty_chain_facts");
    let found = block_on(db.run(statement)).unwrap();
    found.rows[0].int("n").unwrap()
}

#[test]
fn rows_of_a_large_round_follow_by_the_alarm() {
    let db = Rc::new(crate::sql::SqliteDatabase::with_schema());
    let http = LogHttp::new(Some(Rc::clone(&db) as Rc<dyn Database>));
    append_all(&http, 0..3);
    assert_eq!(counted(&db), 3);
    append_all(&http, 3..253);
    assert_eq!((counted(&db), http.alarm.0.get()), (3, 1));
    assert_eq!(block_on(http.log().tend()), None);
    assert_eq!(counted(&db), 253);
}

#[test]
fn rows_of_a_large_round_are_written_before_the_next_round() {
    let db = Rc::new(crate::sql::SqliteDatabase::with_schema());
    let http = LogHttp::new(Some(Rc::clone(&db) as Rc<dyn Database>));
    append_all(&http, 0..250);
    assert_eq!(counted(&db), 0);
    append_all(&http, 250..251);
    assert_eq!(counted(&db), 251);
}

/// A platform that lets one run of the object do so many operations.
struct Limited {
    files: MemoryBucket,
    left: Cell<u32>,
}

impl Limited {
    fn take(&self) -> Result<(), crate::ports::BucketError> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.unwrap_or(0));
        left.map(drop).ok_or(crate::ports::BucketError::Unavailable(
            "too many subrequests".into(),
        ))
    }
}

#[async_trait(?Send)]
impl Bucket for Limited {
    async fn get(
        &self,
        key: &str,
        limit: usize,
    ) -> Result<Option<Object>, crate::ports::BucketError> {
        self.take()?;
        self.files.get(key, limit).await
    }
    async fn put(&self, key: &str, object: Object) -> Result<(), crate::ports::BucketError> {
        self.take()?;
        self.files.put(key, object).await
    }
    async fn swap(
        &self,
        key: &str,
        object: Object,
        version: Option<&str>,
    ) -> Result<Option<String>, crate::ports::BucketError> {
        self.take()?;
        self.files.swap(key, object, version).await
    }
    async fn delete(&self, keys: &[String]) -> Result<(), crate::ports::BucketError> {
        self.take()?;
        self.files.delete(keys).await
    }
}

#[test]
fn a_lost_bucket_is_published_again_in_bounded_steps() {
    let http = LogHttp::new(None);
    append_all(&http, 0..3_000);
    let store = http.store.clone();
    let files = Rc::new(Limited {
        files: MemoryBucket::default(),
        left: Cell::new(0),
    });
    let log = Log::new(LogPorts {
        open: Box::new(move || Ok((store.clone(), test_key()))),
        files: Rc::clone(&files) as Rc<dyn Bucket>,
        rows: Rc::new(Nowhere),
        alarm: Rc::new(CountedAlarm::default()),
        clock: Rc::new(FakeClock::at(i64::try_from(LOGGED_AT_MS).unwrap())),
        entropy: Rc::new(OwnEntropy::default()),
        background: Rc::new(FakeBackground::default()),
        log: Rc::new(FakeLog::default()),
        round_ms: 750,
    });
    for _ in 0..100 {
        files.left.set(20);
        if block_on(log.tend()).is_none() {
            break;
        }
    }
    assert_eq!(rebuild(&files.files).size, 3_000);
}

#[test]
fn a_published_head_that_was_set_back_is_not_believed_for_long() {
    let http = LogHttp::new(None);
    append_all(&http, 0..3);
    let older = http.files.0.borrow().clone();
    append_all(&http, 3..6);
    let http = restarted(&http, |next| *next.files.0.borrow_mut() = older);
    let ask = || {
        let served = http.serve(&serde_json::to_vec(&Command::Head).unwrap());
        let head: Head = serde_json::from_str(&served.body).unwrap();
        Checkpoint::open(&head.checkpoint, test_key().verifier())
            .unwrap()
            .size
    };
    assert_eq!((ask(), http.alarm.0.get()), (3, 1));
    block_on(http.log().tend());
    assert_eq!(ask(), 6);
}
