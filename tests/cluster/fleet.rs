//! Members of a fleet agree on the random number of a day, whichever node they ask and however far it is behind.

use std::sync::Arc;

use footfall::privacy::fleet::{FleetId, KnownRandomness};
use footfall::store::fleet::FleetStore;

use crate::bed::ClusterBed;

const MEMBERS: usize = 8;
/// Far ahead, so that their rows stay during the test.
const DAYS: std::ops::RangeInclusive<i32> = 30_000..=30_009;

/// All members publish a number of their own for each day at once. Every node has one of them, and the same one.
pub fn agree(bed: &ClusterBed) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let fleet = FleetId::from([7; 8]);
    let nodes = bed.nodes.nodes.len();
    let stores: Vec<_> =
        (0..MEMBERS).map(|member| Arc::new(FleetStore::new(bed.client(member % nodes)))).collect();
    let behind = &bed.nodes.nodes[nodes - 1].store;
    let switch = |verb: &str| {
        behind
            .query(&format!("SYSTEM {verb} FETCHES fleet_randomness"))
            .map(drop)
            .map_err(|error| error.to_string())
    };
    switch("STOP")?;
    let published = runtime.block_on(async {
        let publish = |store: Arc<FleetStore>| async move {
            for day in DAYS {
                let number = KnownRandomness::draw_one().map_err(|error| error.to_string())?;
                store.publish(fleet, day, &number).await.map_err(|error| format!("{error:?}"))?;
            }
            Ok::<_, String>(())
        };
        let members: Vec<_> = stores.iter().map(|store| tokio::spawn(publish(store.clone()))).collect();
        for member in members {
            member.await.map_err(|error| error.to_string())??;
        }
        Ok::<_, String>(())
    });
    switch("START")?;
    published?;
    let rows = |node: usize| {
        let sql =
            format!("SELECT day, number FROM fleet_randomness WHERE fleet = '{fleet}' ORDER BY day, number");
        bed.nodes.nodes[node].store.rows(&sql)
    };
    bed.wait("each node has one number of each day", || {
        let first = rows(0);
        let is_alike = first.len() == DAYS.count() && (1..nodes).all(|node| rows(node) == first);
        if is_alike { Ok(()) } else { Err(format!("{} rows on the first node", first.len())) }
    })
}
