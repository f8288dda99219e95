//! What the tools and the protocol work with, one an isolate.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;

use chitty_core::mcp::Host;
use chitty_core::mcp::mailbox::Mailbox;
use chitty_core::mcp::server::ListVersions;
use chitty_core::mcp::task::Tasks;
use chitty_core::ports::{Clock, Entropy};
use chitty_core::seal::Sealer;
use chitty_edge::clock::SystemClock;
use chitty_edge::entropy::SystemEntropy;
use chitty_edge::mailbox::ObjectMailbox;
use chitty_edge::tasks::ObjectTasks;
use serde_json::{Value, json};
use worker::Env;

pub struct Services {
    clock: SystemClock,
    entropy: SystemEntropy,
    sealer: Sealer,
    versions: Cell<ListVersions>,
    pub runs: Runs,
    /// Of the first request: bindings are the same in all of an isolate.
    mailbox: OnceCell<ObjectMailbox>,
    tasks: OnceCell<ObjectTasks>,
}

impl Services {
    pub fn new(sealer: Sealer) -> Self {
        Self {
            clock: SystemClock,
            entropy: SystemEntropy,
            sealer,
            versions: Cell::default(),
            runs: Runs::default(),
            mailbox: OnceCell::new(),
            tasks: OnceCell::new(),
        }
    }

    /// Takes over the bindings, if this is the first request.
    pub fn bind(&self, env: &Env) -> worker::Result<()> {
        if self.mailbox.get().is_none() {
            let mailbox = ObjectMailbox(env.durable_object("MAILBOX")?);
            self.mailbox.get_or_init(|| mailbox);
            let tasks = ObjectTasks(env.durable_object("TASKS")?);
            self.tasks.get_or_init(|| tasks);
        }
        Ok(())
    }

    pub fn change(&self, change: impl FnOnce(&mut ListVersions)) {
        let mut versions = self.versions.get();
        change(&mut versions);
        self.versions.set(versions);
    }
}

impl Host for Services {
    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn entropy(&self) -> &dyn Entropy {
        &self.entropy
    }

    fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    fn mailbox(&self) -> Option<Rc<dyn Mailbox>> {
        let mailbox = self.mailbox.get()?.clone();
        Some(Rc::new(mailbox))
    }

    fn tasks(&self) -> Option<Rc<dyn Tasks>> {
        let tasks = self.tasks.get()?.clone();
        Some(Rc::new(tasks))
    }

    fn list_versions(&self) -> ListVersions {
        self.versions.get()
    }

    fn report(&self, request_id: &str, cause: &str) {
        worker::console_error!("{}", json!({ "request_id": request_id, "cause": cause }));
    }
}

/// How runs of the slow tool, and of `/slow`, ended.
#[derive(Default)]
pub struct Runs(Rc<Counts>);

#[derive(Default)]
struct Counts {
    started: Cell<u32>,
    finished: Cell<u32>,
    cancelled: Cell<u32>,
}

/// One run; dropped before it is finished, it counts as cancelled.
pub struct Run {
    counts: Rc<Counts>,
    finished: bool,
}

impl Runs {
    pub fn start(&self) -> Run {
        self.0.started.set(self.0.started.get() + 1);
        Run {
            counts: Rc::clone(&self.0),
            finished: false,
        }
    }

    pub fn counts(&self) -> Value {
        json!({
            "started": self.0.started.get(),
            "finished": self.0.finished.get(),
            "cancelled": self.0.cancelled.get(),
        })
    }
}

impl Run {
    pub fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let count = if self.finished {
            &self.counts.finished
        } else {
            &self.counts.cancelled
        };
        count.set(count.get() + 1);
    }
}
