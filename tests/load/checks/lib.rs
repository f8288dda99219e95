//! What verifying costs in wasm, for `scripts/bench`: the core's checks, many times for one
//! request, since the clock of a worker stands still while it computes.

use std::hint::black_box;

use chitty_core::chain::checkpoint::Checkpoint;
use chitty_core::chain::fact::LogEntry;
use chitty_core::chain::hash::Hash;
use chitty_core::chain::keys::SignerKey;
use chitty_core::chain::proof::LogProof;
use chitty_core::chain::verify::verify_inclusion;
use chitty_core::openpgp::{self, PublicKey};
use serde::{Deserialize, Serialize};
use worker::{Context, Env, Request, Response, Result, event};

const ORIGIN: &str = "bench.example.com/log";

#[derive(Deserialize)]
#[serde(tag = "check", rename_all = "snake_case")]
enum Check {
    /// Of one leaf in a full tree of `levels` levels above the leaves.
    Inclusion { levels: u32, times: u32 },
    /// Of one OpenPGP signature.
    Signature {
        content: String,
        signature: String,
        public_key: String,
        now_secs: u64,
        times: u32,
    },
}

#[derive(Serialize)]
struct Answer {
    /// How many of the checks held.
    held: usize,
    /// Bytes of the proof as a C2SP tlog-proof.
    proof_bytes: usize,
}

#[event(fetch)]
async fn fetch(mut request: Request, _env: Env, _context: Context) -> Result<Response> {
    let check: Check = request.json().await?;
    let answer = match check {
        Check::Inclusion { levels, times } => inclusion(levels, times),
        Check::Signature {
            content,
            signature,
            public_key,
            now_secs,
            times,
        } => signatures(&content, &signature, &public_key, now_secs, times),
    };
    Response::from_json(&answer.map_err(worker::Error::from)?)
}

fn inclusion(levels: u32, times: u32) -> std::result::Result<Answer, String> {
    let size = 1_u64 << levels.min(40);
    let index = size / 3;
    let entry = LogEntry {
        fact_id: Hash::of(b"fact"),
        logged_at_ms: 1_795_262_350_000,
    };
    let proof: Vec<Hash> = (0..levels.min(40))
        .map(|level| Hash::of(&level.to_be_bytes()))
        .collect();
    let leaf = entry.leaf_hash();
    let root = (0..).zip(&proof).fold(leaf, |node, (level, sibling)| {
        if (index >> level) & 1 == 1 {
            Hash::node(sibling, &node)
        } else {
            Hash::node(&node, sibling)
        }
    });
    let holds =
        || verify_inclusion(black_box(&leaf), index, size, black_box(&proof), &root).is_ok();
    let held = (0..times).filter(|_| holds()).count();
    let key = SignerKey::from_seed(ORIGIN, &[1; 32]).map_err(|error| error.to_string())?;
    let checkpoint = Checkpoint {
        origin: ORIGIN.to_owned(),
        size,
        root,
    };
    let text = LogProof {
        extra: Some(entry.canonical().into_bytes()),
        index,
        inclusion_proof: proof.clone(),
        checkpoint: checkpoint.sign(&key).map_err(|error| error.to_string())?,
    };
    let proof_bytes = text.to_string().len();
    Ok(Answer { held, proof_bytes })
}

fn signatures(
    content: &str,
    signature: &str,
    public_key: &str,
    now_secs: u64,
    times: u32,
) -> std::result::Result<Answer, String> {
    let key = PublicKey::from_armor(public_key).map_err(|error| error.to_string())?;
    let holds = || {
        let content = black_box(content).as_bytes();
        openpgp::verify(content, signature, &key, now_secs).valid
    };
    let held = (0..times).filter(|_| holds()).count();
    Ok(Answer {
        held,
        proof_bytes: 0,
    })
}
