use super::*;

const BODY: Style = Style::new(Weight::Regular, 10.0);

#[test]
fn what_a_font_lacks_is_shown_escaped() {
    let fonts = Fonts::load().unwrap();
    let face = fonts.face(Weight::Regular);
    assert_eq!(face.shown("Zoë Δ Ж ế €"), "Zoë Δ Ж ế €");
    assert_eq!(
        face.shown("a\t你\u{202e}\u{1f600}"),
        "a    \\u{4f60}\\u{202e}\\u{1f600}"
    );
    assert_eq!(fonts.face(Weight::Mono).shown("é"), "\\u{e9}");
}

#[test]
fn no_line_is_wider_than_its_place_and_no_text_is_lost() {
    let fonts = Fonts::load().unwrap();
    let word = "a".repeat(400);
    let text = format!("one two {word} three\n\nfour");
    let mut flow = Flow::new(&fonts);
    flow.text(BODY, 100.0, &text);
    let pages = flow.finish(("", ""), "");
    let mut joined = String::new();
    for mark in &pages[0] {
        if let flow::Mark::Text { x, style, text, .. } = mark {
            let width = fonts.face(style.weight).width(text, style.size);
            assert!(x + width <= 612.0 - 72.0 + 0.5, "{text}");
            if style.size > 9.0 {
                joined.push_str(text);
            }
        }
    }
    assert_eq!(joined.replace(' ', ""), text.replace([' ', '\n'], ""));
}

#[test]
fn long_text_goes_on_over_pages_up_to_a_bound() {
    let fonts = Fonts::load().unwrap();
    let mut flow = Flow::new(&fonts);
    for _ in 0..10_000 {
        flow.text(BODY, 0.0, "line");
    }
    let pages = flow.finish(("left", "right"), "foot");
    assert_eq!(pages.len(), 60);
    let shown = format!("{:?}", pages[59]);
    assert!(shown.contains("Page 60 of 60") && shown.contains("more pages are left out"));
}

#[test]
fn the_same_pages_give_the_same_bytes() {
    let fonts = Fonts::load().unwrap();
    let about = About {
        title: "A & B <c>",
        subject: "s",
        created_ms: 1_795_262_350_000,
    };
    let make = || {
        let mut flow = Flow::new(&fonts);
        flow.text(BODY, 0.0, "x");
        write(&flow.finish(("", ""), ""), &fonts, &about)
    };
    let pdf = make();
    assert_eq!(pdf, make());
    let text = String::from_utf8_lossy(&pdf);
    assert!(text.contains("<pdfaid:part>2</pdfaid:part>") && text.contains("A &amp; B &lt;c&gt;"));
    assert!(
        text.contains("<xmp:CreateDate>2026-11-21T11:59:10+00:00<"),
        "{text}"
    );
}

/// Everything on the pages, with where each text ends.
fn texts(fonts: &Fonts, pages: &[Vec<flow::Mark>]) -> Vec<(f32, f32, String)> {
    let mut found = Vec::new();
    for mark in pages.iter().flatten() {
        if let flow::Mark::Text { x, style, text, .. } = mark {
            let width = fonts.face(style.weight).width(text, style.size);
            found.push((*x, x + width, text.clone()));
        }
    }
    found
}

#[test]
fn no_text_however_made_leaves_the_page_or_takes_long() {
    let fonts = Fonts::load().unwrap();
    let long = ["x", " "].map(|piece| piece.repeat(60 * 1024));
    let odd = [
        "\u{301}",
        "e\u{301}\u{323}",
        "\u{1f600}",
        "\t",
        "\r",
        "a\u{2028}",
    ];
    for text in long.into_iter().chain(odd.map(|piece| piece.repeat(2_000))) {
        let mut flow = Flow::new(&fonts);
        flow.text(BODY, 14.0, &text);
        let narrow = Column {
            x: 376.0,
            width: 92.0,
            style: BODY,
        };
        flow.row(&[(narrow, &text)]);
        let pages = flow.finish((&text, &text), &text);
        let set = texts(&fonts, &pages);
        let (left, right) = (72.0 - 0.5, 612.0 - 72.0 + 0.5);
        for (from, to, text) in &set {
            assert!(*from >= left && *to <= right, "{from} {to} {text}");
        }
        let in_cell = set.iter().filter(|(from, ..)| (*from - 448.0).abs() < 0.1);
        assert!(in_cell.count() <= 12);
    }
}

#[test]
fn marks_that_pile_up_are_shown_apart() {
    let fonts = Fonts::load().unwrap();
    let face = fonts.face(Weight::Regular);
    let three = "e\u{301}\u{323}\u{302}";
    assert_eq!(face.shown(three), three);
    let four = face.shown(&format!("{three}\u{301}x"));
    assert_eq!(four, format!("{three}\\u{{301}}x"));
}
