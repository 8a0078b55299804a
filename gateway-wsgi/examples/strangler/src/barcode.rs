use std::fmt::Write;

use gateway_core::{Environ, Reply};
use router::RequestUrlArgs;

/// Code 39: wide and narrow, bars and gaps in turn.
#[rustfmt::skip]
const CODE_39: [(char, &str); 38] = [
    ('0', "nnnwwnwnn"), ('1', "wnnwnnnnw"), ('2', "nnwwnnnnw"), ('3', "wnwwnnnnn"), ('4', "nnnwwnnnw"), ('5', "wnnwwnnnn"),
    ('6', "nnwwwnnnn"), ('7', "nnnwnnwnw"), ('8', "wnnwnnwnn"), ('9', "nnwwnnwnn"), ('A', "wnnnnwnnw"), ('B', "nnwnnwnnw"),
    ('C', "wnwnnwnnn"), ('D', "nnnnwwnnw"), ('E', "wnnnwwnnn"), ('F', "nnwnwwnnn"), ('G', "nnnnnwwnw"), ('H', "wnnnnwwnn"),
    ('I', "nnwnnwwnn"), ('J', "nnnnwwwnn"), ('K', "wnnnnnnww"), ('L', "nnwnnnnww"), ('M', "wnwnnnnwn"), ('N', "nnnnwnnww"),
    ('O', "wnnnwnnwn"), ('P', "nnwnwnnwn"), ('Q', "nnnnnnwww"), ('R', "wnnnnnwwn"), ('S', "nnwnnnwwn"), ('T', "nnnnwnwwn"),
    ('U', "wwnnnnnnw"), ('V', "nwwnnnnnw"), ('W', "wwwnnnnnn"), ('X', "nwnnwnnnw"), ('Y', "wwnnwnnnn"), ('Z', "nwwnwnnnn"),
    ('-', "nwnnnnwnw"), ('*', "nwnnwnwnn"),
];

/// The code as Code 39, for labels.
pub(crate) fn label(environ: &mut Environ) -> Reply {
    let args = environ.url_args();
    let code = args.as_ref().and_then(|args| args.name("code"));
    match code.and_then(|code| drawn(&code.to_ascii_uppercase())) {
        Some(svg) => Reply::new(svg).header("content-type", "image/svg+xml"),
        None => Reply::text("no such code\n").with_status(http::StatusCode::NOT_FOUND),
    }
}

fn drawn(text: &str) -> Option<String> {
    if text.is_empty() || text.len() > 40 || text.contains('*') {
        return None;
    }
    let mut bars = String::new();
    let mut x = 10;
    for char in format!("*{text}*").chars() {
        let (_, widths) = CODE_39.iter().find(|(known, _)| *known == char)?;
        for (place, width) in widths.chars().enumerate() {
            let width = if width == 'w' { 3 } else { 1 };
            if place % 2 == 0 {
                write!(bars, "M{x} 5v40h{width}v-40z").ok()?;
            }
            x += width;
        }
        x += 1;
    }
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} 50\"><title>{text}</title>\
         <path d=\"{bars}\"/></svg>\n",
        x + 9
    ))
}
