//! Where a panic happened: raw frames captured in the hook, claimed at the catch.
