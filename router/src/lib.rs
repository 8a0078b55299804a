//! Regular-expression URL map: find, build, and a tower Service on top.
