//! What the compiler says of programs that are not right: a sentence, and the line that mends it.
#![cfg(all(
    feature = "http",
    feature = "cgi",
    feature = "fastcgi",
    feature = "scgi"
))]

#[test]
#[ignore = "needs the compiler that the expected messages were written by; `.ci/run real` has it"]
fn the_compiler_tells_how_to_mend_it() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
