//! A row that a list found and has not read yet.

#[derive(Clone, Copy, Debug)]
pub struct Key<K> {
    pub of: K,
    /// The approximate size of the row.
    pub bytes: usize,
}
