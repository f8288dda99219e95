//! What workers make alike from their bindings and settings.

use std::rc::Rc;

use chitty_core::analytics::DataPoints;
use chitty_core::anchoring::RemoteAnchors;
use chitty_core::budget::{RemoteUserLedger, Shield, UserLedger};
use chitty_core::chat::room::Rooms;
use chitty_core::ledger::{Ledger, RemoteLedger};
use chitty_core::llm::{Breakers, Models};
use chitty_core::ports::Bucket;
use chitty_core::services::Platform;
use worker::Env;

use crate::bucket::R2;
use crate::clock::SystemClock;
use crate::http::{FetchHttp, NamedObject, NamedObjects};
use crate::platform::Fault;
use crate::points::Dataset;
use crate::rooms::ObjectRooms;
use crate::shield::RateLimitShield;

/// Name of the one log of a deployment: under another name there is another log.
const LOG: &str = "chittychain";

/// The log, behind the binding `CHAIN`, with its anchors.
pub fn ledger(env: &Env) -> Result<Rc<dyn Ledger>, Fault> {
    let log = NamedObject {
        namespace: env.durable_object("CHAIN")?,
        name: LOG,
    };
    let ledger = RemoteLedger::new(Rc::new(log), Rc::new(SystemClock));
    Ok(Rc::new(ledger.anchored_by(anchors(env)?)))
}

/// The log's anchors, behind the binding `ANCHORS`.
pub fn anchors(env: &Env) -> Result<RemoteAnchors, Fault> {
    let anchors = NamedObject {
        namespace: env.durable_object("ANCHORS")?,
        name: LOG,
    };
    Ok(RemoteAnchors::new(Rc::new(anchors)))
}

/// The accounts of all users, behind the binding `USER_LEDGER`.
pub fn user_ledger(env: &Env) -> Result<Rc<dyn UserLedger>, Fault> {
    let objects = NamedObjects(env.durable_object("USER_LEDGER")?);
    let ledger = RemoteUserLedger::new(Rc::new(objects), Rc::new(SystemClock));
    Ok(Rc::new(ledger))
}

/// The rooms of sessions, behind the binding `CHAT_ROOM`.
pub fn rooms(env: &Env) -> Result<Rc<dyn Rooms>, Fault> {
    Ok(Rc::new(ObjectRooms(env.durable_object("CHAT_ROOM")?)))
}

/// What stands before the accounts, behind the bindings `SHIELD` and `PLATFORM`.
pub fn shield(env: &Env) -> Result<Rc<dyn Shield>, Fault> {
    Ok(Rc::new(RateLimitShield {
        of_key: env.rate_limiter("SHIELD")?,
        of_all: env.rate_limiter("PLATFORM")?,
    }))
}

/// Where usage is told for dashboards, if the binding `USAGE_POINTS` is there.
pub fn usage_points(env: &Env) -> Option<Rc<dyn DataPoints>> {
    let dataset = env.analytics_engine("USAGE_POINTS").ok()?;
    Some(Rc::new(Dataset(dataset)))
}

/// Where the files of evidence packages are kept, if the binding `EVIDENCE_FILES` is there.
pub fn evidence_files(env: &Env) -> Option<Rc<dyn Bucket>> {
    let bucket = env.bucket("EVIDENCE_FILES").ok()?;
    Some(Rc::new(R2::new(bucket)))
}

/// What asks models, for one request.
pub fn models(platform: &Platform, breakers: &Rc<Breakers>) -> Rc<Models> {
    Rc::new(Models {
        http: Rc::new(FetchHttp),
        clock: Rc::clone(&platform.clock),
        entropy: Rc::clone(&platform.entropy),
        breakers: Rc::clone(breakers),
    })
}
