//! Documents for people: PDF/A-2u (ISO 19005-2), US Letter, with all fonts inside.
//!
//! [`flow`] sets text on pages, [`file`] writes them. The same pages give the same bytes.

mod file;
mod flow;
mod fonts;

#[cfg(test)]
mod tests;

pub use file::{About, write};
pub use flow::{Column, Flow, Style};
pub use fonts::{Fonts, Weight};

/// A font that is part of the program cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the font {0} is damaged")]
pub struct FontError(&'static str);
