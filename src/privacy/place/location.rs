//! The place of an address.

use std::sync::Arc;

use super::record::GeoRecord;

/// Country, region, city and network of an address; cheap to clone. Texts are empty and numbers 0 when unknown.
#[derive(Debug, Clone, Default)]
pub struct GeoPlace {
    pub(super) location: Option<Arc<GeoRecord>>,
    pub(super) network: Option<Arc<GeoRecord>>,
}

impl GeoPlace {
    /// ISO 3166-1 alpha-2 code.
    pub fn country(&self) -> &str {
        self.location.as_deref().map_or("", |record| &record.country)
    }

    /// First subdivision, in English.
    pub fn region(&self) -> &str {
        self.location.as_deref().map_or("", |record| &record.region)
    }

    /// City, in English.
    pub fn city(&self) -> &str {
        self.location.as_deref().map_or("", |record| &record.city)
    }

    /// Organisation of the autonomous system.
    pub fn network(&self) -> &str {
        self.network.as_deref().map_or("", |record| &record.network)
    }

    /// Autonomous system number.
    pub fn asn(&self) -> u32 {
        self.network.as_deref().map_or(0, |record| record.asn)
    }
}
