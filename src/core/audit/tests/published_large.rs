//! A published log with three levels of tiles, of more entries than a test could append.

use async_trait::async_trait;

use super::published::flip;
use super::*;
use crate::anchoring::Anchoring;
use crate::chain::checkpoint::Checkpoint;
use crate::chain::fact::LogEntry;
use crate::chain::hash::Hash;
use crate::chain::keys::SignerKey;
use crate::chain::receipt::{ConsistencyProof, InclusionProof, Receipt, StoredFact};
use crate::chain::tiles::{CHECKPOINT, Kind, Tile, added, entry_bytes, hash_bytes, replaced};
use crate::chain::tree::{self, Nodes};
use crate::ledger::tests::published_file;
use crate::ledger::{AppendRequest, FactRef, Head, Keyed, Ledger, LedgerError, LoggedFact};
use crate::ports::{Http, HttpError, HttpRequest, HttpResponse, Object};
use crate::testing::MemoryBucket;

/// One hash of level 2, three of level 1, and 77 entries.
const SIZE: u64 = 65_536 + 3 * 256 + 77;

/// The nodes of a tree, by level.
struct Grown(Vec<Vec<Hash>>);

impl Nodes for Grown {
    type Error = std::convert::Infallible;

    fn get(&self, level: u8, index: u64) -> Result<Option<Hash>, Self::Error> {
        let level = self.0.get(usize::from(level));
        let index = usize::try_from(index).unwrap();
        Ok(level.and_then(|level| level.get(index)).copied())
    }
}

struct Published {
    entries: Vec<LogEntry>,
    nodes: Grown,
    files: MemoryBucket,
}

impl Published {
    /// Another entry at each of `changed`.
    fn of(changed: &[u64]) -> Self {
        let entry = |index: u64| LogEntry {
            fact_id: Hash::of(&(index + u64::from(changed.contains(&index)) * SIZE).to_be_bytes()),
            logged_at_ms: 1_795_262_350_000 + index,
        };
        let entries: Vec<LogEntry> = (0..SIZE).map(entry).collect();
        let mut levels: Vec<Vec<Hash>> = vec![entries.iter().map(LogEntry::leaf_hash).collect()];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let (pairs, _) = level.as_chunks::<2>();
            levels.push(
                pairs
                    .iter()
                    .map(|[left, right]| Hash::node(left, right))
                    .collect(),
            );
        }
        let published = Self {
            entries,
            nodes: Grown(levels),
            files: MemoryBucket::default(),
        };
        for tile in added(0, SIZE) {
            published.put(&tile.to_string(), published.bytes(&tile));
        }
        published.put(CHECKPOINT, published.signed().into_bytes());
        published
    }

    fn bytes(&self, tile: &Tile) -> Vec<u8> {
        let (first, past) = tile.range();
        let range = usize::try_from(first).unwrap()..usize::try_from(past).unwrap();
        match tile.kind {
            Kind::Entries => entry_bytes(&self.entries[range]),
            Kind::Hashes(_) => hash_bytes(&self.nodes.0[usize::from(tile.tree_level())][range]),
        }
    }

    fn put(&self, name: &str, bytes: Vec<u8>) {
        let object = Object {
            bytes: bytes.into(),
            content_type: String::new(),
            cache_control: String::new(),
            version: String::new(),
        };
        self.files.0.borrow_mut().insert(name.to_owned(), object);
    }

    fn take(&self, other: &Self, names: &[&str]) {
        for name in names {
            let file = other.files.0.borrow()[*name].bytes.to_vec();
            self.put(name, file);
        }
    }

    fn key() -> SignerKey {
        SignerKey::from_seed("example.com/large", &[7; 32]).unwrap()
    }

    fn signed(&self) -> String {
        self.signed_at(SIZE)
    }

    fn signed_at(&self, size: u64) -> String {
        let head = Checkpoint {
            origin: "example.com/large".to_owned(),
            size,
            root: tree::root(&self.nodes, size).unwrap(),
        };
        head.sign(&Self::key()).unwrap()
    }
}

/// The files are served, the log proves.
struct Served {
    published: Rc<Published>,
    proves: bool,
}

#[async_trait(?Send)]
impl Http for Served {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        Ok(published_file(&self.published.files, &request.url).await)
    }
}

#[async_trait(?Send)]
impl Ledger for Served {
    async fn inclusion(
        &self,
        fact: FactRef,
        size: Option<u64>,
    ) -> Result<InclusionProof, LedgerError> {
        let (FactRef::Index(index), Some(size)) = (fact, size) else {
            panic!("asked for {fact:?} in {size:?}");
        };
        if !self.proves {
            return Err(LedgerError::Unavailable("damaged".to_owned()));
        }
        let entry = self.published.entries[usize::try_from(index).unwrap()];
        Ok(InclusionProof {
            leaf_index: index,
            tree_size: size,
            entry,
            leaf_hash: entry.leaf_hash(),
            proof: tree::inclusion_proof(&self.published.nodes, index, size).unwrap(),
            checkpoint: String::new(),
        })
    }

    async fn head(&self) -> Result<Head, LedgerError> {
        Ok(Head {
            checkpoint: self.published.signed(),
            verifier_key: Published::key().verifier().to_string(),
        })
    }

    async fn append(&self, _: &AppendRequest) -> Result<Receipt, LedgerError> {
        panic!("nothing is appended")
    }

    async fn append_all(
        &self,
        _: &[AppendRequest],
    ) -> Result<Vec<Result<Receipt, LedgerError>>, LedgerError> {
        panic!("nothing is appended")
    }

    async fn facts(&self, _: &[Hash]) -> Result<Vec<LoggedFact>, LedgerError> {
        panic!("no facts are asked for")
    }

    async fn keyed(&self, _: &[String]) -> Result<Vec<Keyed>, LedgerError> {
        panic!("no facts are asked for")
    }

    async fn recent(&self, _: usize) -> Result<Vec<LoggedFact>, LedgerError> {
        panic!("no facts are asked for")
    }

    async fn entries(&self, _: u64) -> Result<Vec<StoredFact>, LedgerError> {
        panic!("no facts are asked for")
    }

    async fn erase(&self, _: Hash) -> Result<StoredFact, LedgerError> {
        panic!("nothing is erased")
    }

    async fn checkpoint(&self, _: u64) -> Result<String, LedgerError> {
        panic!("no checkpoint is asked for")
    }

    async fn consistency(&self, first: u64, second: u64) -> Result<ConsistencyProof, LedgerError> {
        Ok(ConsistencyProof {
            first,
            second,
            proof: tree::consistency_proof(&self.published.nodes, first, second).unwrap(),
            first_checkpoint: String::new(),
            second_checkpoint: String::new(),
        })
    }

    async fn anchoring(&self, _: Option<u64>) -> Result<Anchoring, LedgerError> {
        Ok(Anchoring::not_configured())
    }
}

/// The phase, put aside after each step.
fn read(office: &Office, log: &Rc<Published>, head: String, proves: bool) -> Progress {
    let http = Served {
        published: Rc::clone(log),
        proves,
    };
    // What the log proves is the log's own, whatever its files say.
    let ledger = Served {
        published: Rc::clone(log),
        proves,
    };
    let asker = office.world.asker();
    let signatures = FortressSignatures {
        workers: &office.world.service.workers,
        asker: &asker,
    };
    let (scope, published) = (forensic(&[]), PublishedLog::new(Rc::new(http)));
    let db = office.database();
    let auditor = Auditor {
        db: &*db,
        ledger: &ledger,
        published: &published,
        sealer: &office.world.service.sealer,
        signatures: &signatures,
        files: None,
        scope: &scope,
        now_ms: 0,
    };
    let mut progress = Progress {
        phase: Phase::Published,
        head: Some(head),
        ..Progress::default()
    };
    while progress.phase == Phase::Published {
        office.clock().run(auditor.step(&mut progress)).unwrap();
        let text = serde_json::to_string(&progress).unwrap();
        assert!(text.len() < 100_000 + 1_000 * progress.findings.len());
        progress = serde_json::from_str(&text).unwrap();
    }
    progress
}

fn subjects(progress: &Progress) -> Vec<&str> {
    progress
        .findings
        .iter()
        .map(|finding| &*finding.subject)
        .collect()
}

const LAST: &str = "tile/entries/259.p/77";

#[test]
fn all_levels_are_read_and_each_alteration_is_named() {
    let office = Office::with(0);
    let log = Rc::new(Published::of(&[]));
    let whole = read(&office, &log, log.signed(), true);
    assert_eq!(whole.findings, []);
    let figures = whole.published.figures;
    // 260 bundles with their tiles, a full and a partial tile of level 1, one of level 2.
    assert_eq!((figures.leaves, figures.files), (SIZE, 2 * 260 + 3));
    let bytes: usize = log
        .files
        .0
        .borrow()
        .values()
        .map(|file| file.bytes.len())
        .sum();
    assert_eq!(figures.bytes, bytes as u64 - log.signed().len() as u64);

    for (name, at, place) in [
        ("tile/entries/200", 40, "entry 51200"),
        ("tile/0/100", 255 * 32, "entry 25855"),
        ("tile/1/000", 5 * 32, "entries 1280 to 1535"),
        ("tile/1/001.p/3", 33, "entries 65792 to 66047"),
        ("tile/2/000.p/1", 0, "entries 0 to 65535"),
        (LAST, 40, "entry 66304"),
        ("tile/0/259.p/77", 32 * 76, "entry 66380"),
    ] {
        flip(&log.files, name, at);
        let found = read(&office, &log, log.signed(), true);
        assert_eq!(subjects(&found), [format!("log:{name}")]);
        assert!(
            found.findings[0].what.ends_with(&format!(" of {place}")),
            "{found:#?}"
        );
        flip(&log.files, name, at);
    }
}

#[test]
fn files_that_were_changed_alike_are_named_at_whatever_level_that_ends() {
    let office = Office::with(0);
    // In a full tile of level 1, in the partial one, and at the very edge.
    let cases: [(u64, &[&str]); 3] = [
        (
            2_000,
            &[
                "tile/entries/007",
                "tile/0/007",
                "tile/1/000",
                "tile/2/000.p/1",
            ],
        ),
        (
            65_800,
            &["tile/entries/257", "tile/0/257", "tile/1/001.p/3"],
        ),
        (66_380, &[LAST, "tile/0/259.p/77"]),
    ];
    for (entry, files) in cases {
        let (log, other) = (Rc::new(Published::of(&[])), Published::of(&[entry]));
        for count in 1..=files.len() {
            log.take(&other, &files[..count]);
            let found = read(&office, &log, log.signed(), true);
            let (named, bundle) = (subjects(&found), format!("log:{}", files[0]));
            assert!(named.contains(&&*bundle), "{entry} {count}: {found:#?}");
            // The others stand beside it, or for themselves.
            for name in &files[..count] {
                let says = |finding: &Finding| {
                    finding.subject.ends_with(name) || finding.what.contains(name)
                };
                assert!(found.findings.iter().any(says), "{name}: {found:#?}");
            }
            let others = log.files.0.borrow().keys().any(|name| {
                !files.contains(&name.as_str()) && named.contains(&&*format!("log:{name}"))
            });
            assert!(!others, "{found:#?}");
        }
        // Without the log's word for it, it is at least no yes.
        assert!(!read(&office, &log, log.signed(), false).findings.is_empty());
    }
}

#[test]
fn a_published_log_that_is_gone_or_another_is_told_of_within_bounds() {
    let office = Office::with(0);
    let log = Rc::new(Published::of(&[]));
    let every: Vec<u64> = (0..SIZE).collect();
    let other = Published::of(&every);
    log.files.0.replace(other.files.0.take());
    let found = read(&office, &log, log.signed(), true);
    assert!(
        found
            .findings
            .iter()
            .all(|finding| finding.code == Code::PublishedAltered)
    );
    let named = subjects(&found);
    for tile in added(0, SIZE).filter(|tile| tile.kind == Kind::Entries) {
        assert!(named.contains(&&*format!("log:{tile}")), "{tile}");
    }
    log.files.0.borrow_mut().clear();
    let found = read(&office, &log, log.signed(), true);
    assert!(
        found
            .findings
            .iter()
            .all(|finding| finding.code == Code::PublishedMissing)
    );
    // Each of the bundles and tiles, and the checkpoint; the head makes up for their roots.
    assert_eq!(
        found.findings.len() as u64 + found.more_findings,
        2 * 260 + 3 + 1
    );
    assert_eq!(found.published.figures.leaves, 0);
}

#[test]
fn partial_files_may_have_given_way_to_full_ones() {
    let office = Office::with(0);
    let log = Rc::new(Published::of(&[]));
    let size = 65_536 + 200;
    // The head is older than the files: none of its partial bundle is left.
    let gone = replaced(size, SIZE).map(|tile| tile.to_string());
    gone.for_each(|name| drop(log.files.0.borrow_mut().remove(&name)));
    for tile in added(0, size).filter(|tile| tile.tree_level() > 0 && !tile.is_full()) {
        log.put(&tile.to_string(), log.bytes(&tile));
    }
    let found = read(&office, &log, log.signed_at(size), true);
    assert_eq!(
        (found.findings, found.published.figures.leaves),
        (Vec::new(), size)
    );
    flip(&log.files, "tile/entries/256", 40);
    let found = read(&office, &log, log.signed_at(size), true);
    assert_eq!(subjects(&found), ["log:tile/entries/256.p/200"]);
}
