//! Days whose events changed although their number did not.

use super::tables::CloseDayError;
use crate::store::Client;

/// Makes days due once more. Reports have their old figures until they are computed again: within a minute if a collector runs.
///
/// # Errors
/// When the store refuses or cannot be reached. Doing it twice does no harm.
pub async fn compute_again(client: &Client, days: &[u16]) -> Result<(), CloseDayError> {
    // No computed day has 0 events, so an open day differs, too.
    let sql = "INSERT INTO days (day, starts, ends, timezone, generation, is_closed, events, removed, computed) \
               SELECT day, starts, ends, timezone, generation, false, 0, removed, computed FROM days FINAL \
               WHERE toUInt16(day) IN {days:Array(UInt16)}";
    Ok(client.query(sql).param("days", days).execute().await?)
}
