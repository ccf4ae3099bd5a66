//! Saying a statement again.

use super::connections::Failure;

/// Runs a writing statement, again where another replica stood in its way.
pub async fn again<T, R: Future<Output = Result<T, Failure>>>(run: impl Fn() -> R) -> Result<T, Failure> {
    // How often the server may take nothing of it and it is said again: a useless connection has taken its fellows
    // along, so once is enough.
    let (mut collisions, mut useless) = (0..10, 0..1);
    loop {
        match run().await {
            Err(Failure::Collided(_)) if collisions.next().is_some() => {}
            Err(Failure::Undone(_)) if useless.next().is_some() => {}
            result => return result,
        }
    }
}
