//! The fonts, as `scripts/fonts` makes them: a packed file for the document, and what setting
//! text needs to know of it. Noto, under the SIL Open Font License 1.1 (`fonts/OFL.txt`).

use std::collections::BTreeMap;

use super::FontError;

/// Marks over one letter, of which no script that is set here needs more.
const MOST_MARKS: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    Regular,
    Bold,
    /// For hashes, paths and ids.
    Mono,
}

impl Weight {
    pub const ALL: [Self; 3] = [Self::Regular, Self::Bold, Self::Mono];
}

/// A font. Lengths are in thousandths of the type size.
pub struct Face {
    pub name: &'static str,
    /// The TrueType file, in zlib's form.
    pub packed: &'static [u8],
    /// Bytes of the file unpacked.
    pub length: i32,
    pub ascent: f32,
    pub descent: f32,
    pub cap_height: f32,
    /// Left, bottom, right, top.
    pub bounds: [f32; 4],
    glyphs: BTreeMap<char, Glyph>,
}

#[derive(Debug, Clone, Copy)]
pub struct Glyph {
    pub id: u16,
    pub advance: f32,
}

impl Face {
    fn read(text: &'static str, packed: &'static [u8]) -> Result<Self, FontError> {
        Self::parse(text, packed).ok_or(FontError(text.split(' ').next().unwrap_or_default()))
    }

    fn parse(text: &'static str, packed: &'static [u8]) -> Option<Self> {
        let mut lines = text.lines();
        let mut head = lines.next()?.split(' ');
        let name = head.next()?;
        let numbers: Vec<f32> = head.map(|n| n.parse().ok()).collect::<Option<_>>()?;
        let [
            units,
            ascent,
            descent,
            cap_height,
            left,
            bottom,
            right,
            top,
            length,
        ] = numbers[..]
        else {
            return None;
        };
        let scale = |value: f32| value * 1000.0 / units;
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^24")]
        let length = length as i32;
        Some(Self {
            name,
            packed,
            length,
            ascent: scale(ascent),
            descent: scale(descent),
            cap_height: scale(cap_height),
            bounds: [left, bottom, right, top].map(scale),
            glyphs: lines
                .map(|line| {
                    let mut parts = line.split(' ');
                    let character = char::from_u32(u32::from_str_radix(parts.next()?, 16).ok()?)?;
                    let id = parts.next()?.parse().ok()?;
                    let advance = scale(parts.next()?.parse().ok()?);
                    Some((character, Glyph { id, advance }))
                })
                .collect::<Option<_>>()?,
        })
    }

    pub fn glyph(&self, character: char) -> Option<Glyph> {
        self.glyphs.get(&character).copied()
    }

    /// All of them, by character.
    pub fn glyphs(&self) -> impl Iterator<Item = (char, Glyph)> {
        self.glyphs
            .iter()
            .map(|(character, glyph)| (*character, *glyph))
    }

    /// The text with each character that the font lacks written as `\u{…}`, so that it is seen
    /// and not lost; so are marks that would pile up over one letter. Tabs become spaces.
    pub fn shown(&self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut marks = 0;
        for character in text.chars() {
            let glyph = self.glyph(character);
            let is_mark = glyph.is_some_and(|glyph| glyph.advance <= 0.0);
            marks = if is_mark { marks + 1 } else { 0 };
            match character {
                '\t' => shown.push_str("    "),
                _ if glyph.is_some() && marks <= MOST_MARKS => shown.push(character),
                _ => shown.extend(character.escape_unicode()),
            }
        }
        shown
    }

    /// Of text that is [`Face::shown`].
    pub fn width(&self, text: &str, size: f32) -> f32 {
        let advances = text
            .chars()
            .filter_map(|c| self.glyph(c))
            .map(|glyph| glyph.advance);
        advances.sum::<f32>() * size / 1000.0
    }

    /// Glyph ids, two bytes each.
    pub fn encode(&self, text: &str) -> Vec<u8> {
        let ids = text.chars().filter_map(|c| self.glyph(c));
        ids.flat_map(|glyph| glyph.id.to_be_bytes()).collect()
    }
}

/// All three.
pub struct Fonts([Face; 3]);

impl Fonts {
    pub fn load() -> Result<Self, FontError> {
        Ok(Self([
            Face::read(
                include_str!("fonts/NotoSerif-Regular.txt"),
                include_bytes!("fonts/NotoSerif-Regular.ttf.z"),
            )?,
            Face::read(
                include_str!("fonts/NotoSerif-Bold.txt"),
                include_bytes!("fonts/NotoSerif-Bold.ttf.z"),
            )?,
            Face::read(
                include_str!("fonts/NotoSansMono-Regular.txt"),
                include_bytes!("fonts/NotoSansMono-Regular.ttf.z"),
            )?,
        ]))
    }

    pub fn face(&self, weight: Weight) -> &Face {
        let [regular, bold, mono] = &self.0;
        match weight {
            Weight::Regular => regular,
            Weight::Bold => bold,
            Weight::Mono => mono,
        }
    }
}
