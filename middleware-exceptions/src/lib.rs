//! Panics and errors become responses with a traceback.
