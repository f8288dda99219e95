//! Sets text on pages, from the top down.

use super::fonts::{Face, Fonts, Weight};

/// US Letter, in points.
pub const WIDTH: f32 = 612.0;
pub const HEIGHT: f32 = 792.0;
const LEFT: f32 = 72.0;
const RIGHT: f32 = WIDTH - 72.0;
const TOP: f32 = HEIGHT - 84.0;
const BOTTOM: f32 = 84.0;
/// Room at either end of the line at a page's head or foot.
const LEFT_END: f32 = (RIGHT - LEFT) * 0.55;
const RIGHT_END: f32 = (RIGHT - LEFT) * 0.42;
/// Baseline to baseline, of the type size.
const LEADING: f32 = 1.42;
/// More pages than any document of ours needs; what comes after is left out, and said so.
const MAX_PAGES: usize = 60;
/// Lines of a cell; of a longer text the beginning is shown.
const MAX_CELL_LINES: usize = 12;
const CUT: &str = "...";

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    pub weight: Weight,
    pub size: f32,
    /// 0 is black, 1 is white.
    pub gray: f32,
}

impl Style {
    pub const fn new(weight: Weight, size: f32) -> Self {
        Self {
            weight,
            size,
            gray: 0.0,
        }
    }

    #[must_use]
    pub const fn gray(self, gray: f32) -> Self {
        Self { gray, ..self }
    }

    const fn leading(self) -> f32 {
        self.size * LEADING
    }
}

/// What stands on a page. Text is already in the font's characters.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    Text {
        x: f32,
        y: f32,
        style: Style,
        text: String,
    },
    /// A horizontal or vertical rule.
    Rule {
        from: (f32, f32),
        to: (f32, f32),
        thickness: f32,
        gray: f32,
    },
}

/// A cell's place in a row, from the left margin, in points.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub x: f32,
    pub width: f32,
    pub style: Style,
}

/// Pages under way.
pub struct Flow<'f> {
    fonts: &'f Fonts,
    pages: Vec<Vec<Mark>>,
    /// Baseline of the line before.
    y: f32,
}

impl<'f> Flow<'f> {
    pub const WIDTH: f32 = RIGHT - LEFT;

    pub fn new(fonts: &'f Fonts) -> Self {
        Self {
            fonts,
            pages: vec![Vec::new()],
            y: TOP,
        }
    }

    pub fn fonts(&self) -> &'f Fonts {
        self.fonts
    }

    /// Space, which a new page swallows.
    pub fn space(&mut self, points: f32) {
        if self.y < TOP {
            self.y -= points;
        }
    }

    /// Starts a page unless so much room is left on this one.
    pub fn keep(&mut self, points: f32) {
        if self.y - points < BOTTOM {
            self.pages.push(Vec::new());
            self.y = TOP;
        }
    }

    /// Text between the margins, `indent` from both.
    pub fn text(&mut self, style: Style, indent: f32, text: &str) {
        let width = Self::WIDTH - 2.0 * indent;
        for line in self.lines(style, width, text) {
            self.keep(style.leading());
            self.y -= style.leading();
            self.put(LEFT + indent, style, line);
        }
    }

    /// One line, centred.
    pub fn centred(&mut self, style: Style, text: &str) {
        for line in self.lines(style, Self::WIDTH, text) {
            self.keep(style.leading());
            self.y -= style.leading();
            let width = self.fonts.face(style.weight).width(&line, style.size);
            self.put(LEFT + (Self::WIDTH - width) / 2.0, style, line);
        }
    }

    /// Cells side by side, each of [`MAX_CELL_LINES`]. A row is not parted.
    pub fn row(&mut self, cells: &[(Column, &str)]) {
        let cells: Vec<(Column, Vec<String>)> = cells
            .iter()
            .map(|(column, text)| (*column, self.cell(*column, text)))
            .collect();
        let leading = cells
            .iter()
            .map(|(column, _)| column.style.leading())
            .fold(0.0, f32::max);
        let count = cells
            .iter()
            .map(|(_, lines)| lines.len())
            .max()
            .unwrap_or_default();
        let mut cells: Vec<_> = cells
            .into_iter()
            .map(|(c, lines)| (c, lines.into_iter()))
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "few lines")]
        self.keep((count as f32 * leading).min(TOP - BOTTOM));
        for _ in 0..count {
            self.keep(leading);
            self.y -= leading;
            for (column, lines) in &mut cells {
                if let Some(line) = lines.next() {
                    self.put(LEFT + column.x, column.style, line);
                }
            }
        }
    }

    /// A rule below the last line, between the margins or `indent` from both.
    pub fn rule(&mut self, indent: f32, thickness: f32, gray: f32) {
        self.y -= 5.0;
        let (from, to) = ((LEFT + indent, self.y), (RIGHT - indent, self.y));
        self.mark(Mark::Rule {
            from,
            to,
            thickness,
            gray,
        });
    }

    /// A rule at the left of what `body` sets, as beside a quotation; over all its pages.
    pub fn beside(&mut self, x: f32, gray: f32, body: impl FnOnce(&mut Self)) {
        let (first, top) = (self.pages.len(), self.y - 4.0);
        body(self);
        let last = self.pages.len();
        let bottom = self.y - 4.0;
        for (index, page) in self.pages.iter_mut().enumerate().skip(first - 1) {
            let from = (LEFT + x, if index + 1 == first { top } else { TOP });
            let to = (LEFT + x, if index + 1 == last { bottom } else { BOTTOM });
            page.push(Mark::Rule {
                from,
                to,
                thickness: 1.5,
                gray,
            });
        }
    }

    fn cell(&self, column: Column, text: &str) -> Vec<String> {
        let mut lines = self.lines(column.style, column.width, text);
        if lines.len() > MAX_CELL_LINES {
            lines.truncate(MAX_CELL_LINES);
            let last = lines.pop().unwrap_or_default();
            let face = self.fonts.face(column.style.weight);
            lines.push(cut(face, column.style.size, column.width, &last));
        }
        lines
    }

    /// The pages, with a line at the head (not of the first) and one at the foot of each.
    pub fn finish(mut self, head: (&str, &str), foot: &str) -> Vec<Vec<Mark>> {
        let left_out = self.pages.len().saturating_sub(MAX_PAGES);
        self.pages.truncate(MAX_PAGES);
        let style = Style::new(Weight::Regular, 8.0).gray(0.35);
        let count = self.pages.len();
        let pages = std::mem::take(&mut self.pages);
        let finished = pages.into_iter().enumerate().map(|(index, mut page)| {
            let face = self.fonts.face(style.weight);
            let mut put = |right: bool, y: f32, text: &str| {
                let mut text = face.shown(text);
                let room = if right { RIGHT_END } else { LEFT_END };
                if face.width(&text, style.size) > room {
                    text = cut(face, style.size, room, &text);
                }
                let x = if right {
                    RIGHT - face.width(&text, style.size)
                } else {
                    LEFT
                };
                page.push(Mark::Text { x, y, style, text });
            };
            if index > 0 {
                put(false, HEIGHT - 52.0, head.0);
                put(true, HEIGHT - 52.0, head.1);
            }
            put(false, 46.0, foot);
            put(true, 46.0, &format!("Page {} of {count}", index + 1));
            if left_out > 0 && index + 1 == count {
                put(false, 58.0, &format!("{left_out} more pages are left out"));
            }
            page.push(Mark::Rule {
                from: (LEFT, 60.0),
                to: (RIGHT, 60.0),
                thickness: 0.4,
                gray: 0.6,
            });
            page
        });
        finished.collect()
    }

    fn put(&mut self, x: f32, style: Style, text: String) {
        let y = self.y;
        self.mark(Mark::Text { x, y, style, text });
    }

    fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.push(mark);
        }
    }

    /// Parted at spaces, and within words that are wider than the line.
    fn lines(&self, style: Style, width: f32, text: &str) -> Vec<String> {
        let face = self.fonts.face(style.weight);
        let mut lines = Vec::new();
        for paragraph in text.lines() {
            let shown = face.shown(paragraph);
            let (mut line, mut used) = (String::new(), 0.0);
            for word in shown.split_inclusive(' ') {
                if used + face.width(word.trim_end(), style.size) > width && !line.is_empty() {
                    lines.push(std::mem::take(&mut line).trim_end().to_owned());
                    used = 0.0;
                }
                for character in word.chars() {
                    let advance = face.glyph(character).map_or(0.0, |glyph| glyph.advance);
                    let advance = advance * style.size / 1000.0;
                    if used + advance > width && !line.is_empty() {
                        // Nobody sees a space at the end of a line.
                        if character == ' ' {
                            continue;
                        }
                        lines.push(std::mem::take(&mut line));
                        used = 0.0;
                    }
                    used += advance;
                    line.push(character);
                }
            }
            lines.push(line.trim_end().to_owned());
        }
        lines
    }
}

/// The beginning of what is wider than there is room for, with a sign that it is cut.
fn cut(face: &Face, size: f32, width: f32, text: &str) -> String {
    let room = width - face.width(CUT, size);
    let mut used = 0.0;
    let fits = |character: &char| {
        used += face.glyph(*character).map_or(0.0, |glyph| glyph.advance) * size / 1000.0;
        used <= room
    };
    let begun: String = text.chars().take_while(fits).collect();
    begun + CUT
}
