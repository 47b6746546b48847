//! The lease that lets one collector of several close days at a time.

use super::tables::{CloseDayError, Tables};

/// How long the lease lasts, in seconds: longer than one bucket of a large day takes, and short enough to wait for after a crash.
const DURATION: u32 = 120;

#[derive(Clone)]
pub(super) struct Lease {
    tables: Tables,
    /// Names this process.
    holder: String,
}

impl Lease {
    pub(super) fn new(tables: Tables) -> Result<Self, CloseDayError> {
        let holder = format!("{:016x}", getrandom::u64().map_err(|_| CloseDayError::Random)?);
        Ok(Self { tables, holder })
    }

    /// Takes the lease unless another holds it, and returns whether it is held now.
    pub(super) async fn take(&self) -> Result<bool, CloseDayError> {
        if self.is_with_another().await? {
            return Ok(false);
        }
        self.renew().await?;
        Ok(!self.is_with_another().await?)
    }

    async fn is_with_another(&self) -> Result<bool, CloseDayError> {
        let sql = "SELECT count() FROM (SELECT argMax(value, changed) AS holder, max(changed) AS since FROM settings \
                   WHERE name = 'day_closer') \
                   WHERE holder NOT IN ('', {holder:String}) AND since > now64(3) - toIntervalSecond({duration:UInt32})";
        let query = self.tables.client().query(sql).param("holder", &self.holder).param("duration", DURATION);
        Ok(query.fetch_one::<u64>().await? > 0)
    }

    pub(super) async fn renew(&self) -> Result<(), CloseDayError> {
        self.write(&self.holder).await
    }

    pub(super) async fn release(&self) -> Result<(), CloseDayError> {
        self.write("").await
    }

    async fn write(&self, holder: &str) -> Result<(), CloseDayError> {
        let sql = "INSERT INTO settings SELECT 'day_closer', {holder:String}, now64(3)";
        Ok(self.tables.client().query(sql).param("holder", holder).execute().await?)
    }
}
