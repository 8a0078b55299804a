//! Files as a tower Service and as a Layer.
