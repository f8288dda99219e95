//! The prompts that the suite gets.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chitty_core::mcp::prompt::{Prompt, PromptReply};
use chitty_core::mcp::types::{
    Content, GetPromptResult, PromptArgument, PromptDefinition, PromptMessage, PromptRole,
};
use chitty_core::mcp::{Call, InputRequired, RpcError};
use serde_json::{Value, json};

use crate::samples::{PNG, text_resource};
use crate::services::Services;

type Arguments = BTreeMap<String, String>;

/// A prompt and what it makes of its arguments.
pub struct Fixture {
    name: &'static str,
    arguments: &'static [&'static str],
    make: fn(&Call, &Arguments) -> PromptReply,
}

pub const ALL: [Fixture; 5] = [
    Fixture {
        name: "test_simple_prompt",
        arguments: &[],
        make: |_, _| {
            done(vec![user(Content::text(
                "This is a simple prompt for testing.",
            ))])
        },
    },
    Fixture {
        name: "test_prompt_with_arguments",
        arguments: &["arg1", "arg2"],
        make: |_, arguments| {
            let argument = |name| arguments.get(name).map(String::as_str).unwrap_or_default();
            let text = format!(
                "Prompt with arguments: arg1='{}', arg2='{}'",
                argument("arg1"),
                argument("arg2")
            );
            done(vec![user(Content::text(text))])
        },
    },
    Fixture {
        name: "test_prompt_with_embedded_resource",
        arguments: &["resourceUri"],
        make: |_, arguments| {
            let uri = arguments
                .get("resourceUri")
                .map(String::as_str)
                .unwrap_or_default();
            let resource = Content::Resource {
                resource: text_resource(
                    uri,
                    "text/plain",
                    "Embedded resource content for testing.",
                ),
                annotations: None,
                meta: None,
            };
            let question = Content::text("Please process the embedded resource above.");
            done(vec![user(resource), user(question)])
        },
    },
    Fixture {
        name: "test_prompt_with_image",
        arguments: &[],
        make: |_, _| {
            let image = Content::Image {
                data: PNG.to_owned(),
                mime_type: "image/png".to_owned(),
                annotations: None,
                meta: None,
            };
            done(vec![
                user(image),
                user(Content::text("Please analyze the image above.")),
            ])
        },
    },
    Fixture {
        name: "test_input_required_result_prompt",
        arguments: &[],
        make: asking,
    },
];

fn user(content: Content) -> PromptMessage {
    PromptMessage {
        role: PromptRole::User,
        content,
        meta: None,
    }
}

fn done(messages: Vec<PromptMessage>) -> PromptReply {
    PromptReply::Done(GetPromptResult {
        description: None,
        messages,
        meta: None,
    })
}

fn asking(call: &Call, _: &Arguments) -> PromptReply {
    let answer = call.input("user_context");
    let context = answer.and_then(|answer| answer.pointer("/content/context")?.as_str());
    if let Some(context) = context {
        return done(vec![user(Content::text(format!(
            "Use this context: {context}"
        )))]);
    }
    let params: Value = json!({
        "mode": "form",
        "message": "What context should the prompt use?",
        "requestedSchema": {
            "type": "object",
            "properties": { "context": { "type": "string" } },
            "required": ["context"],
        },
    });
    PromptReply::Ask(InputRequired::default().ask("user_context", "elicitation/create", &params))
}

#[async_trait(?Send)]
impl Prompt<Services> for Fixture {
    fn definition(&self) -> PromptDefinition {
        let arguments = self.arguments.iter().map(|name| PromptArgument {
            name: (*name).to_owned(),
            description: Some(format!("The argument {name}.")),
            required: true,
        });
        PromptDefinition {
            name: self.name.to_owned(),
            title: None,
            description: Some(format!("The suite's {}.", self.name)),
            icons: None,
            arguments: arguments.collect(),
            meta: None,
        }
    }

    async fn get(
        &self,
        _: &Services,
        call: &Call,
        arguments: Arguments,
    ) -> Result<PromptReply, RpcError> {
        Ok((self.make)(call, &arguments))
    }

    fn complete(&self, argument: &str, typed: &str) -> Vec<String> {
        if !self.arguments.contains(&argument) {
            return Vec::new();
        }
        let words = ["paris", "park", "party", "testing", "tests"];
        let fitting = words.into_iter().filter(|word| word.starts_with(typed));
        fitting.map(str::to_owned).collect()
    }
}
