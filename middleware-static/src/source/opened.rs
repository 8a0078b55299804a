use super::Stamp;

/// What a path led to: a file, by a handle of the platform's, or a directory.
pub(super) enum Opened<H> {
    File(H, Stamp),
    Directory,
}
