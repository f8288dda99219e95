//! The four lists. The text of a page is made once an isolate for each set of scopes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::era::Era;
use super::error::RpcError;
use super::page;
use super::server::{Host, ListVersions, Server};
use crate::auth::Principal;

/// How long a client may keep a list, in milliseconds.
pub(super) const TTL_MS: u64 = 300_000;
/// Pages kept in memory; past it the cache starts anew.
const MAX_CACHED: usize = 64;

/// Era, list, first item, visible tools, versions.
type Key = (bool, &'static str, usize, Vec<bool>, [i64; 3]);

#[derive(Default)]
pub(super) struct ListCache(RefCell<HashMap<Key, Rc<str>>>);

impl ListCache {
    fn get_or_make(&self, key: Key, make: impl FnOnce() -> String) -> Rc<str> {
        if let Some(text) = self.0.borrow().get(&key) {
            return Rc::clone(text);
        }
        let text: Rc<str> = make().into();
        let mut pages = self.0.borrow_mut();
        if pages.len() >= MAX_CACHED {
            pages.clear();
        }
        pages.insert(key, Rc::clone(&text));
        text
    }
}

impl<S: Host> Server<S> {
    /// A page of `list`, as the JSON text of the result. None if there is no such list here.
    pub(super) fn list(
        &self,
        list: &str,
        era: Era,
        params: &Map<String, Value>,
        principal: &Principal,
        versions: ListVersions,
    ) -> Option<Result<Rc<str>, RpcError>> {
        let (list, field) = match list {
            "tools/list" => ("tools/list", "tools"),
            "prompts/list" if !self.prompts.is_empty() => ("prompts/list", "prompts"),
            "resources/list" if self.resources.is_some() => ("resources/list", "resources"),
            "resources/templates/list" if self.resources.is_some() => {
                ("resources/templates/list", "resourceTemplates")
            }
            _ => return None,
        };
        let visible = self.visible(list, principal);
        let total = self.total(list, &visible);
        Some(page::start(list, params, total).map(|start| {
            let stamps = [versions.tools, versions.prompts, versions.resources];
            let key = (era.is_modern(), list, start, visible.clone(), stamps);
            self.lists
                .get_or_make(key, || self.page(list, field, era, start, &visible))
        }))
    }

    fn visible(&self, list: &str, principal: &Principal) -> Vec<bool> {
        if list != "tools/list" {
            return Vec::new();
        }
        let entries = self.tools.entries.iter();
        entries
            .map(|entry| entry.visible_to(&principal.scopes))
            .collect()
    }

    fn total(&self, list: &str, visible: &[bool]) -> usize {
        match (list, &self.resources) {
            ("tools/list", _) => visible.iter().filter(|visible| **visible).count(),
            ("prompts/list", _) => self.prompts.len(),
            ("resources/list", Some(resources)) => resources.list().len(),
            (_, Some(resources)) => resources.templates().len(),
            (_, None) => 0,
        }
    }

    fn page(&self, list: &str, field: &str, era: Era, start: usize, visible: &[bool]) -> String {
        let items = self.items(list, visible);
        let total = items.len();
        let shown: Vec<String> = items.into_iter().skip(start).take(page::PAGE).collect();
        let mut result = json!({ field: [] });
        if era.is_modern() {
            // What a caller sees depends on its scopes, so no shared cache may keep it.
            result = json!({ field: [], "ttlMs": TTL_MS, "cacheScope": "private" });
            self.stamp(&mut result);
        }
        if let (Some(cursor), Some(fields)) =
            (page::next(list, start, total), result.as_object_mut())
        {
            fields.insert("nextCursor".to_owned(), json!(cursor));
        }
        // The items are JSON text already: put them where the empty array stands.
        let empty = format!("\"{field}\":[]");
        let filled = format!("\"{field}\":[{}]", shown.join(","));
        result.to_string().replacen(&empty, &filled, 1)
    }

    fn items(&self, list: &str, visible: &[bool]) -> Vec<String> {
        match (list, &self.resources) {
            ("tools/list", _) => {
                let entries = self.tools.entries.iter().zip(visible);
                entries
                    .filter(|(_, visible)| **visible)
                    .map(|(entry, _)| entry.listed.clone())
                    .collect()
            }
            ("prompts/list", _) => texts(self.prompts.iter().map(|prompt| prompt.definition())),
            ("resources/list", Some(resources)) => texts(resources.list().into_iter()),
            (_, Some(resources)) => texts(resources.templates().into_iter()),
            (_, None) => Vec::new(),
        }
    }
}

fn texts<T: Serialize>(items: impl Iterator<Item = T>) -> Vec<String> {
    items.map(|item| json!(item).to_string()).collect()
}
