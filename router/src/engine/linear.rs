//! Look-ups are linear in the text: counted in what is read, for letters of every width, classes of
//! every kind, and every tier that patterns can end in.

use std::borrow::Cow;
use std::sync::Arc;

use regex_syntax::hir::Hir;

use super::{Limits, Matcher, Room, Words, size, steps_of_general};

const PLENTY: Limits = Limits {
    memory: 256 << 20,
    steps: 200_000_000,
    pattern: 10 << 20,
};

/// One letter of each width, and such letters as a path that is matched raw has them.
const LETTERS: [&str; 7] = ["a", "ü", "中", "𝒳", "%C3%BC", "%E4%B8%AD", "%F0%9D%92%B3"];

const PATTERNS: &[&str] = &[
    r"^articles/(?P<slug>[\w-]+)/$",
    r"^articles/\w+/x$",
    r"^articles/[^/]+/x$",
    r"^articles/[^/x]+/x$",
    r"^articles/[^/xü]+/x$",
    r"^articles/.+x$",
    r"^articles/(?s:.)+x$",
    r"^articles/[a-zà-ÿ一-龥𝒜-𝓏%A-F0-9]+/x$",
    r"^articles/\p{L}*/x$",
    r"^articles/\P{L}*/x$",
    r"(?i)^articles/[äöü中𝒳]*/x$",
    r"^articles/(?:a|ü|中|𝒳|%)*y$",
    r"^articles/(?:\w\w)*y$",
    r"^articles/(?:üüü|中中中|𝒳𝒳𝒳)*y$",
    r"\w+x$",
    r"ü+x$",
    r"(?:中|𝒳|aa).{3}x$",
    r"\b\w+\b/x$",
    r"(?-u:\b)x",
    r"(?m)^x$",
];

fn steps_of(matcher: &Matcher, text: &str) -> usize {
    let mut steps = 0;
    matcher.find_counting(text, Words::new(text), &mut steps);
    steps
}

fn is_linear(patterns: &[&str], limits: Limits, tiers: impl Fn(usize, usize) -> bool) {
    let hirs: Vec<Cow<'_, Hir>> = patterns
        .iter()
        .map(|pattern| Cow::Owned(regex_syntax::parse(pattern).unwrap()))
        .collect();
    // Without room for engines, which are made late.
    let room = Arc::new(Room::new(0));
    let (matcher, _) = Matcher::new(&hirs, &mut { limits }, &room).unwrap();
    let (automata, alone) = matcher.tiers();
    assert!(tiers(automata, alone), "{patterns:?}: {automata}, {alone}");
    for letter in LETTERS {
        for end in ["", "/", "/y"] {
            let text = |count: usize| format!("articles/{}{end}", letter.repeat(count));
            let (once, twice) = (text(500), text(1_000));
            let (few, many) = (steps_of(&matcher, &once), steps_of(&matcher, &twice));
            assert!(
                many <= 2 * few + 100,
                "{patterns:?} on `{letter}`: {few} steps for {} bytes, {many} for {}",
                once.len(),
                twice.len()
            );
        }
    }
}

#[test]
fn a_look_up_in_one_automaton_is_linear_in_the_text() {
    for pattern in PATTERNS {
        is_linear(&[pattern], PLENTY, |automata, alone| {
            (automata, alone) == (1, 0)
        });
    }
    is_linear(PATTERNS, PLENTY, |automata, _| automata > 0);
}

#[test]
fn a_look_up_in_several_automata_is_linear_in_the_text() {
    let blow_up: Vec<String> = ('a'..='p').map(|c| format!("^a.*{c}ü{c}.*/z$")).collect();
    let patterns: Vec<&str> = blow_up.iter().map(|pattern| &**pattern).collect();
    is_linear(&patterns, PLENTY, |automata, alone| {
        automata > 1 && alone == 0
    });
}

#[test]
fn a_look_up_by_engines_is_linear_in_the_text() {
    // No single automaton has room; the engines have.
    let limits = Limits {
        memory: 64 << 20,
        steps: 50_000_000,
        ..PLENTY
    };
    let wild = [r"^articles/(?:\w|%)*[üa](?:\w|%){20}/x$"];
    is_linear(&wild, limits, |automata, alone| (automata, alone) == (0, 1));
}

#[test]
fn a_look_up_by_simulation_is_linear_in_the_text() {
    let limits = Limits {
        memory: 0,
        ..PLENTY
    };
    for pattern in PATTERNS {
        is_linear(&[pattern], limits, |_, alone| alone == 1);
    }
    is_linear(PATTERNS, limits, |_, alone| alone > 1);
    // Too large to be kept: made for each look-up.
    let words: String = (0..1_000).map(|i| format!("ü中{i}|")).collect();
    let large = format!(r"^articles/(?:{words}[\w%]+)/x$");
    is_linear(&[&large], limits, |_, alone| alone == 1);
}

#[test]
fn beyond_the_limit_of_work_a_list_costs_what_a_loop_over_engines_does() {
    let patterns: Vec<String> = (0..200)
        .map(|i| match i % 4 {
            0 => format!(r"^users/{i}/(\w+)/(\w+)$"),
            1 => format!(r"^[a-z]+/{i}/[^/]+/x$"),
            2 => format!(r"(?:{i}|\w{{3}})/edit/?$"),
            _ => format!(r"^\w+/(?:{i}|ü)*$"),
        })
        .collect();
    let hirs: Vec<Cow<'_, Hir>> = patterns
        .iter()
        .map(|pattern| Cow::Owned(regex_syntax::parse(pattern).unwrap()))
        .collect();
    let engines: usize = hirs
        .iter()
        .map(|hir| steps_of_general(size::bytes(hir)))
        .sum();
    let limits = Limits { steps: 0, ..PLENTY };
    let room = Arc::new(Room::new(PLENTY.memory));
    let (matcher, _) = Matcher::new(&hirs, &mut { limits }, &room).unwrap();
    let texts = ["users/196/jürgen/x", "news/1/y/x", "users/7/none", "a/edit"];
    let mut steps = 0;
    let mut read = 0;
    for _ in 0..2_000 {
        for text in texts {
            matcher.find_counting(text, Words::new(text), &mut steps);
            read += patterns.len() * text.len();
        }
    }
    // Each pattern pays for its engine once by simulation and once by making it.
    assert!(
        steps < read + engines + patterns.len() * 10_000,
        "{steps} steps, where a loop reads {read} bytes and makes engines in {engines}"
    );
}
