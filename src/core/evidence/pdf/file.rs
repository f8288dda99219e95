//! Writes pages as a file. Everything is told apart from the device: gray is `CalGray`, so that
//! no colour profile is needed (ISO 19005-2 section 6.2.4.2).

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::writers::ColorSpace;
use pdf_writer::{Content, Date, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

use super::flow::{HEIGHT, Mark, WIDTH};
use super::fonts::{Face, Fonts, Weight};
use crate::digest::sha256_hex;

/// Equal energy: gray without a tint also in readers that do not adapt to the white point.
const WHITE: [f32; 3] = [1.0, 1.0, 1.0];
const GAMMA: f32 = 2.2;
const GRAY: Name<'static> = Name(b"Gray");
const CATALOG: i32 = 1;
const TREE: i32 = 2;
const METADATA: i32 = 3;
const INFO: i32 = 4;
/// Five objects a font.
const FONTS: i32 = 5;
/// Two objects a page.
const PAGES: i32 = FONTS + 5 * 3;

/// What a reader's list of documents shows.
pub struct About<'a> {
    pub title: &'a str,
    pub subject: &'a str,
    pub created_ms: i64,
}

pub fn write(pages: &[Vec<Mark>], fonts: &Fonts, about: &About<'_>) -> Vec<u8> {
    let mut pdf = Pdf::new();
    let page_refs: Vec<Ref> = (0..)
        .map(|n| Ref::new(PAGES + 2 * n))
        .take(pages.len())
        .collect();
    let metadata = xmp(about);
    let id = hex::decode(sha256_hex(format!("{metadata}{pages:?}"))).unwrap_or_default();
    pdf.set_file_id((id.clone(), id));
    catalog(&mut pdf);
    let count = i32::try_from(pages.len()).unwrap_or_default();
    pdf.pages(Ref::new(TREE))
        .kids(page_refs.iter().copied())
        .count(count);
    pdf.stream(Ref::new(METADATA), metadata.as_bytes())
        .pair(Name(b"Type"), Name(b"Metadata"))
        .pair(Name(b"Subtype"), Name(b"XML"));
    info(&mut pdf, about);
    for (weight, first) in Weight::ALL.into_iter().zip((FONTS..).step_by(5)) {
        font(&mut pdf, fonts.face(weight), first);
    }
    for (marks, reference) in pages.iter().zip(&page_refs) {
        page(&mut pdf, marks, fonts, *reference);
    }
    pdf.finish()
}

fn catalog(pdf: &mut Pdf) {
    let mut catalog = pdf.catalog(Ref::new(CATALOG));
    catalog
        .pages(Ref::new(TREE))
        .metadata(Ref::new(METADATA))
        .lang(TextStr("en"));
    catalog.viewer_preferences().display_doc_title(true);
}

fn info(pdf: &mut Pdf, about: &About<'_>) {
    let mut info = pdf.document_info(Ref::new(INFO));
    info.title(TextStr(about.title))
        .subject(TextStr(about.subject));
    info.producer(TextStr(PRODUCER));
    if let Some(date) = date(about.created_ms) {
        info.creation_date(date);
    }
}

const PRODUCER: &str = concat!("ChittyMCP ", env!("CARGO_PKG_VERSION"));

fn date(ms: i64) -> Option<Date> {
    let text = crate::time::to_rfc3339(ms);
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<u8>().ok();
    let date = Date::new(text.get(..4)?.parse().ok()?)
        .month(part(5, 7)?)
        .day(part(8, 10)?);
    let time = date
        .hour(part(11, 13)?)
        .minute(part(14, 16)?)
        .second(part(17, 19)?);
    Some(time.utc_offset_hour(0).utc_offset_minute(0))
}

/// Level U: every character has its code point. What it says is what the info dictionary says.
fn xmp(about: &About<'_>) -> String {
    let mut created = crate::time::to_rfc3339(about.created_ms);
    created.truncate(19);
    format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\
         <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
         <rdf:Description rdf:about=\"\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\" \
         xmlns:xmp=\"http://ns.adobe.com/xap/1.0/\" xmlns:pdf=\"http://ns.adobe.com/pdf/1.3/\" \
         xmlns:pdfaid=\"http://www.aiim.org/pdfa/ns/id/\">\
         <pdfaid:part>2</pdfaid:part><pdfaid:conformance>U</pdfaid:conformance>\
         <dc:format>application/pdf</dc:format>\
         <dc:title><rdf:Alt><rdf:li xml:lang=\"x-default\">{}</rdf:li></rdf:Alt></dc:title>\
         <dc:description><rdf:Alt><rdf:li xml:lang=\"x-default\">{}</rdf:li></rdf:Alt></dc:description>\
         <pdf:Producer>{PRODUCER}</pdf:Producer><xmp:CreateDate>{created}+00:00</xmp:CreateDate>\
         </rdf:Description></rdf:RDF></x:xmpmeta>\n<?xpacket end=\"r\"?>",
        escaped(about.title),
        escaped(about.subject),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Name of a font in the resources of pages.
fn font_name(weight: Weight) -> Name<'static> {
    Name(match weight {
        Weight::Regular => b"Regular",
        Weight::Bold => b"Bold",
        Weight::Mono => b"Mono",
    })
}

fn font(pdf: &mut Pdf, face: &Face, first: i32) {
    let [whole, cid, descriptor, to_unicode, file] =
        [0, 1, 2, 3, 4].map(|offset| Ref::new(first + offset));
    // Six letters and a plus sign mark a subset (ISO 32000-1 section 9.6.4).
    let name = format!("CHITTY+{}", face.name);
    let name = Name(name.as_bytes());
    let system = || SystemInfo {
        registry: Str(b"Adobe"),
        ordering: Str(b"Identity"),
        supplement: 0,
    };
    pdf.type0_font(whole)
        .base_font(name)
        .encoding_predefined(Name(b"Identity-H"))
        .descendant_font(cid)
        .to_unicode(to_unicode);
    let mut font = pdf.cid_font(cid);
    font.subtype(CidFontType::Type2)
        .base_font(name)
        .system_info(system());
    font.font_descriptor(descriptor).default_width(0.0);
    font.cid_to_gid_map_predefined(Name(b"Identity"));
    let mut widths = font.widths();
    for (_, glyph) in face.glyphs() {
        widths.same(glyph.id, glyph.id, glyph.advance);
    }
    widths.finish();
    font.finish();
    let [left, bottom, right, top] = face.bounds;
    pdf.font_descriptor(descriptor)
        .name(name)
        .flags(FontFlags::SYMBOLIC)
        .bbox(Rect::new(left, bottom, right, top))
        .italic_angle(0.0)
        .ascent(face.ascent)
        .descent(face.descent)
        .cap_height(face.cap_height)
        .stem_v(80.0)
        .font_file2(file);
    let mut cmap = UnicodeCmap::new(Name(b"Characters"), system());
    for (character, glyph) in face.glyphs() {
        cmap.pair(glyph.id, character);
    }
    pdf.cmap(to_unicode, &cmap.finish());
    pdf.stream(file, face.packed)
        .filter(Filter::FlateDecode)
        .pair(Name(b"Length1"), face.length);
}

fn page(pdf: &mut Pdf, marks: &[Mark], fonts: &Fonts, reference: Ref) {
    let contents = Ref::new(reference.get() + 1);
    let mut page = pdf.page(reference);
    page.parent(Ref::new(TREE))
        .media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT))
        .contents(contents);
    let mut resources = page.resources();
    let mut listed = resources.fonts();
    for (weight, first) in Weight::ALL.into_iter().zip((FONTS..).step_by(5)) {
        listed.pair(font_name(weight), Ref::new(first));
    }
    listed.finish();
    let mut spaces = resources.color_spaces();
    spaces
        .insert(GRAY)
        .start::<ColorSpace<'_>>()
        .cal_gray(WHITE, None, Some(GAMMA));
    spaces.finish();
    resources.finish();
    page.finish();
    let mut content = Content::new();
    content
        .set_fill_color_space(GRAY)
        .set_stroke_color_space(GRAY);
    for mark in marks {
        draw(&mut content, mark, fonts);
    }
    pdf.stream(contents, &content.finish());
}

fn draw(content: &mut Content, mark: &Mark, fonts: &Fonts) {
    match mark {
        Mark::Text { x, y, style, text } => {
            let encoded = fonts.face(style.weight).encode(text);
            content.set_fill_color([style.gray]).begin_text();
            content
                .set_font(font_name(style.weight), style.size)
                .next_line(*x, *y);
            content.show(Str(&encoded)).end_text();
        }
        Mark::Rule {
            from,
            to,
            thickness,
            gray,
        } => {
            content.set_stroke_color([*gray]).set_line_width(*thickness);
            content.move_to(from.0, from.1).line_to(to.0, to.1).stroke();
        }
    }
}
