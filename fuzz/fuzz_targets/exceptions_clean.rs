//! Any text as a message: what is shown of it is bounded, moves no cursor, hides and reorders nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use middleware_exceptions::redacted;

fuzz_target!(|text: &str| {
    let shown = redacted(text);
    // An escape takes up to nine bytes for one character of two, a redaction up to twelve for three.
    assert!(
        shown.len() <= 8 * text.len().min(8192) + 64,
        "{}",
        shown.len()
    );
    for char in shown.chars() {
        assert!(char == '\n' || !char.is_control(), "{char:?}");
        let is_hidden = matches!(char,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
        assert!(!is_hidden, "{char:?}");
    }
});
