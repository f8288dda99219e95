//! Tools that show one trait each.

use std::cell::Cell;
use std::rc::Rc;

use async_trait::async_trait;
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_mcp_types::protocol::LogLevel;

use super::super::{About, Call, Hints, Host, InputRequired, Reply, Tool, ToolError};
use super::world::World;

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct Word {
    #[garde(length(max = 8))]
    word: String,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Said {
    pub word: String,
}

const fn about(name: &'static str, scopes: &'static [&'static str]) -> About {
    About {
        name,
        title: "A tool",
        description: "For tests.",
        scopes,
        hints: Hints::READ,
        icon: None,
    }
}

/// Says the word again.
pub struct Echo;

#[async_trait(?Send)]
impl Tool<World> for Echo {
    type Input = Word;
    type Output = Said;
    const ABOUT: About = about("echo", &[]);

    async fn call(_: &World, _: &Call, input: Word) -> Result<Reply<Said>, ToolError> {
        Ok(Said { word: input.word }.into())
    }
}

/// Tells of progress, out of order once, and logs, before it answers.
pub struct Chatty;

#[async_trait(?Send)]
impl Tool<World> for Chatty {
    type Input = Word;
    type Output = Said;
    const ABOUT: About = about("chatty", &["tests:talk"]);

    async fn call(world: &World, call: &Call, input: Word) -> Result<Reply<Said>, ToolError> {
        call.progress(1.0, Some(3.0), Some("one"));
        world.clock().sleep(1).await;
        call.progress(2.0, Some(3.0), None);
        call.progress(1.5, Some(3.0), Some("falls, so it is dropped"));
        call.log(LogLevel::Debug, &json!("fine"));
        call.log(LogLevel::Warning, &json!("look"));
        call.progress(3.0, Some(3.0), None);
        Ok(Said { word: input.word }.into())
    }
}

/// Asks for a name, remembers the word.
pub struct Asking;

#[async_trait(?Send)]
impl Tool<World> for Asking {
    type Input = Word;
    type Output = Said;
    const ABOUT: About = about("asking", &[]);

    async fn call(_: &World, call: &Call, input: Word) -> Result<Reply<Said>, ToolError> {
        let name = call
            .input("name")
            .and_then(|answer| answer.pointer("/content/name")?.as_str());
        Ok(match (name, call.state::<Said>()) {
            (Some(name), Some(state)) => {
                let word = format!("{} {name}", state.word);
                Said { word }.into()
            }
            _ => Reply::Ask(
                InputRequired::default()
                    .ask("name", "elicitation/create", &json!({ "message": "Who?" }))
                    .with_state(json!(Said { word: input.word })),
            ),
        })
    }
}

/// Never answers; counts when it is dropped.
pub struct Endless;

struct Guard(Rc<Cell<u32>>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[async_trait(?Send)]
impl Tool<World> for Endless {
    type Input = Word;
    type Output = Said;
    const ABOUT: About = about("endless", &[]);

    async fn call(world: &World, _: &Call, _: Word) -> Result<Reply<Said>, ToolError> {
        let _guard = Guard(Rc::clone(&world.dropped));
        std::future::pending().await
    }
}

/// Works as a task, and asks a name there.
pub struct Deferring;

#[async_trait(?Send)]
impl Tool<World> for Deferring {
    type Input = Word;
    type Output = Said;
    const ABOUT: About = about("deferring", &[]);

    async fn call(world: &World, call: &Call, input: Word) -> Result<Reply<Said>, ToolError> {
        if call.is_task() {
            return Asking::call(world, call, input).await;
        }
        Ok(Reply::Later)
    }
}

pub struct Panicking;

#[async_trait(?Send)]
impl Tool<World> for Panicking {
    type Input = Word;
    type Output = Said;
    const ABOUT: About = about("panicking", &[]);

    async fn call(_: &World, call: &Call, input: Word) -> Result<Reply<Said>, ToolError> {
        call.progress(1.0, None, None);
        panic!("{} on purpose", input.word)
    }
}
