use std::cell::OnceCell;
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use chitty_core::audit::{AuditService, Eraser, PublishedLog};
use chitty_core::evidence::Evidence;
use chitty_core::execution::{ExecutionService, Workers};
use chitty_core::front::Dependencies;
use chitty_core::ledger::Ledger;
use chitty_core::mcp::Server;
use chitty_core::ports::{Bucket, Http, HttpRequest};
use chitty_core::records::Records;
use chitty_core::services::{Platform, Services};
use chitty_edge::bindings::{evidence_files, ledger};
use chitty_edge::config::{Common, Reader, oauth};
use chitty_edge::http::BindingHttp;
use chitty_edge::platform::{Fault, Isolate, Worker};
use worker::Env;

use crate::identity::Identity;
use crate::tools;

/// Thirteen months: a year can be looked at whole.
const AUDIT_RETENTION_DAYS: i64 = 400;
const HEALTH_TIMEOUT_MS: u64 = 5_000;

/// The worker, as an isolate keeps it.
pub struct Coordinator {
    isolate: Isolate,
    compare: bool,
    /// 0: all are kept.
    pub audit_retention_days: i64,
    identity: Identity,
    server: Rc<Server<Services<Desk>>>,
    neighbours: OnceCell<Neighbours>,
}

/// Whom it calls: the same in all requests of an isolate, and slow to look up.
#[derive(Clone)]
struct Neighbours {
    chatgpt: Rc<dyn Http>,
    fortress: Rc<dyn Http>,
    ledger: Rc<dyn Ledger>,
}

/// What its tools work with.
pub struct Desk {
    pub service: ExecutionService,
    pub identity: Identity,
    files: Option<Rc<dyn Bucket>>,
}

impl Desk {
    /// `origin` is the base URL of downloads.
    pub fn evidence<'a>(&'a self, origin: &'a str) -> Evidence<'a> {
        Evidence {
            executions: &self.service,
            files: self.files.as_deref(),
            origin,
        }
    }

    pub fn audits(&self) -> AuditService {
        let service = &self.service;
        AuditService {
            db: Rc::clone(&service.db),
            ledger: Rc::clone(&service.ledger),
            published: PublishedLog::new(Rc::clone(&service.workers.fortress)),
            sealer: Rc::clone(&service.sealer),
            clock: Rc::clone(&service.clock),
            entropy: Rc::clone(&service.entropy),
            files: self.files.clone(),
        }
    }

    pub fn eraser(&self) -> Eraser {
        Eraser {
            db: Rc::clone(&self.service.db),
            ledger: Rc::clone(&self.service.ledger),
            clock: Rc::clone(&self.service.clock),
            files: self.files.clone(),
        }
    }

    /// `origin` is the base URL of their pages.
    pub fn records<'a>(&'a self, origin: &'a str) -> Records<'a> {
        Records {
            executions: &self.service,
            origin,
        }
    }
}

fn audit_retention_days(reader: &mut Reader<'_>) -> i64 {
    let Some(text) = reader.optional("AUDIT_RETENTION_DAYS") else {
        return AUDIT_RETENTION_DAYS;
    };
    let days = text.parse().ok().filter(|days| (0..=36_500).contains(days));
    days.unwrap_or_else(|| {
        reader.wrong("AUDIT_RETENTION_DAYS", "a number of days, or 0 to keep all");
        AUDIT_RETENTION_DAYS
    })
}

impl Worker for Coordinator {
    type Domain = Desk;
    const NAME: &'static str = "coordinator";
    const SERVER: &'static str = "chittyos-mcp-coordinator";
    const ISSUES: bool = true;

    fn load(env: &Env) -> Result<Self, Fault> {
        let mut reader = Reader::new(env);
        let common = Common::read(&mut reader);
        let compare = match reader.optional("VERIFIED_COMPARES").as_deref() {
            None | Some("true") => true,
            Some("false") => false,
            Some(_) => {
                reader.wrong("VERIFIED_COMPARES", "true or false");
                false
            }
        };
        let audit_retention_days = audit_retention_days(&mut reader);
        let settings = oauth::read(&mut reader, &common);
        let common = reader.finish(common)?;
        Ok(Self {
            isolate: Isolate::new(common)?,
            compare,
            audit_retention_days,
            identity: Identity::new(settings),
            server: Rc::new(tools::server(Self::SERVER)),
            neighbours: OnceCell::new(),
        })
    }

    fn isolate(&self) -> &Isolate {
        &self.isolate
    }

    fn server(&self) -> &Rc<Server<Services<Desk>>> {
        &self.server
    }

    fn domain(&self, env: &Env, platform: &Platform) -> Result<Desk, Fault> {
        let neighbours = self.neighbours(env)?;
        Ok(Desk {
            service: ExecutionService {
                db: Rc::clone(&platform.database),
                workers: Workers {
                    chatgpt: neighbours.chatgpt,
                    fortress: neighbours.fortress,
                    sealer: Rc::clone(&platform.sealer),
                    clock: Rc::clone(&platform.clock),
                },
                ledger: neighbours.ledger,
                sealer: Rc::clone(&platform.sealer),
                clock: Rc::clone(&platform.clock),
                entropy: Rc::clone(&platform.entropy),
                compare: self.compare,
            },
            identity: self.identity.clone(),
            files: evidence_files(env),
        })
    }
}

impl Coordinator {
    fn neighbours(&self, env: &Env) -> Result<Neighbours, Fault> {
        if let Some(known) = self.neighbours.get() {
            return Ok(known.clone());
        }
        let neighbours = Neighbours {
            chatgpt: Rc::new(BindingHttp::new(env.service("CHATGPT")?)),
            fortress: Rc::new(BindingHttp::new(env.service("FORTRESS")?)),
            ledger: ledger(env)?,
        };
        Ok(self.neighbours.get_or_init(|| neighbours).clone())
    }
}

#[async_trait(?Send)]
impl Dependencies for Desk {
    async fn check(&self) -> Vec<(&'static str, bool)> {
        let workers = &self.service.workers;
        vec![
            ("chatgpt_mcp", is_up(&*workers.chatgpt).await),
            ("fortress_mcp", is_up(&*workers.fortress).await),
        ]
    }
}

async fn is_up(worker: &dyn Http) -> bool {
    let request = HttpRequest {
        method: "GET",
        url: "https://worker.internal/health".to_owned(),
        headers: Vec::new(),
        body: Bytes::new(),
        timeout_ms: HEALTH_TIMEOUT_MS,
        want_headers: &[],
    };
    let answer = worker.send(request).await;
    answer.is_ok_and(|response| response.status == 200)
}
