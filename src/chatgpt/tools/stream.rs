use async_trait::async_trait;
use chitty_core::chat::{CompletionInput, StreamOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::services::Services;

use crate::domain::Chat;

pub struct Stream;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for Stream {
    type Input = CompletionInput;
    type Output = StreamOutput;

    const ABOUT: About = About {
        name: "chatgpt_stream",
        title: "Ask the model, hear it speak",
        description: "As chatgpt_complete, but the text arrives as progress messages while the \
                      model speaks: send a progressToken and join the messages. The result \
                      carries the whole text, the tokens used and the exact cost.",
        scopes: &["chatgpt:complete"],
        hints: Hints::MODEL,
        icon: Some(super::ICON),
    };

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: CompletionInput,
    ) -> Result<Reply<StreamOutput>, ToolError> {
        let asker = super::asker(call);
        let mut pieces = 0_u32;
        // Progress counts the pieces: how many there will be, nobody knows.
        let mut tell = |text: &str| {
            pieces = pieces.saturating_add(1);
            call.progress(f64::from(pieces), None, Some(text));
        };
        let service = &services.domain.service;
        let answer = service.stream(asker, None, &input, &mut tell).await;
        answer
            .map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
