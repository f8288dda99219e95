//! Each kind of content, and an error.

use async_trait::async_trait;
use chitty_core::mcp::types::{CallToolResult, Content, ResourceContent};
use chitty_core::mcp::{About, Call, Registry, Reply, Tool, ToolError};

use super::{Nothing, about, content, text};
use crate::samples::{PNG, WAV, text_resource};
use crate::services::Services;

pub fn add(registry: Registry<Services>) -> Registry<Services> {
    registry
        .with::<SimpleText>()
        .with::<Image>()
        .with::<Audio>()
        .with::<Embedded>()
        .with::<Mixed>()
        .with::<Failing>()
}

fn image() -> Content {
    Content::Image {
        data: PNG.to_owned(),
        mime_type: "image/png".to_owned(),
        annotations: None,
        meta: None,
    }
}

fn embedded(resource: ResourceContent) -> Content {
    Content::Resource {
        resource,
        annotations: None,
        meta: None,
    }
}

struct SimpleText;

#[async_trait(?Send)]
impl Tool<Services> for SimpleText {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about("test_simple_text", "Answers with a text.");
    const STRUCTURED: bool = false;

    async fn call(_: &Services, _: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        Ok(text("This is a simple text response for testing."))
    }
}

struct Image;

#[async_trait(?Send)]
impl Tool<Services> for Image {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about("test_image_content", "Answers with an image.");
    const STRUCTURED: bool = false;

    async fn call(_: &Services, _: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        Ok(content(vec![image()]))
    }
}

struct Audio;

#[async_trait(?Send)]
impl Tool<Services> for Audio {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about("test_audio_content", "Answers with a sound.");
    const STRUCTURED: bool = false;

    async fn call(_: &Services, _: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        Ok(content(vec![Content::Audio {
            data: WAV.to_owned(),
            mime_type: "audio/wav".to_owned(),
            annotations: None,
            meta: None,
        }]))
    }
}

struct Embedded;

#[async_trait(?Send)]
impl Tool<Services> for Embedded {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about("test_embedded_resource", "Answers with a resource in it.");
    const STRUCTURED: bool = false;

    async fn call(_: &Services, _: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        Ok(content(vec![embedded(text_resource(
            "test://embedded-resource",
            "text/plain",
            "This is an embedded resource content.",
        ))]))
    }
}

struct Mixed;

#[async_trait(?Send)]
impl Tool<Services> for Mixed {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_multiple_content_types",
        "Answers with three kinds of content.",
    );
    const STRUCTURED: bool = false;

    async fn call(_: &Services, _: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        Ok(content(vec![
            Content::text("Multiple content types test:"),
            image(),
            embedded(text_resource(
                "test://mixed-content-resource",
                "application/json",
                r#"{"test":"data","value":123}"#,
            )),
        ]))
    }
}

struct Failing;

#[async_trait(?Send)]
impl Tool<Services> for Failing {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about("test_error_handling", "Fails.");
    const STRUCTURED: bool = false;

    async fn call(_: &Services, _: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        Ok(Reply::Content(CallToolResult {
            content: vec![Content::text(
                "This tool intentionally returns an error for testing",
            )],
            is_error: true,
            structured_content: None,
            meta: None,
        }))
    }
}
