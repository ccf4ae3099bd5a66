//! Access control by API tokens, hosts and origins. No I/O.
//!
//! - [`guard`]: the valid tokens, and whether they admit a call.
//! - [`hosts`]: the hosts and origins of requests.

pub mod guard;
pub mod hosts;

use crate::domain::caller::Scope;
use crate::route::Route;

/// The scope that a call needs. `None` means that the call needs no token.
pub fn needed_scope(route: Route) -> Option<Scope> {
    Some(match route {
        Route::ListRecords
        | Route::ReadRecord(_)
        | Route::ListHistory(_)
        | Route::ListDeploys
        | Route::ListCurrent
        | Route::ReadDurations
        | Route::ReadDora
        | Route::ReadEvents
        | Route::Metrics => Scope::Read,
        Route::CreateRecords => Scope::Write,
        Route::ReplaceRecord(_) | Route::PatchRecord(_) | Route::RemoveRecord(_) => Scope::Admin,
        Route::Live | Route::Ready | Route::Openapi | Route::Page | Route::PageFile => return None,
    })
}
