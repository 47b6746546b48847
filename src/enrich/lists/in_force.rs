//! The lists in force: the built-in ones, or the operator's files.

use std::sync::LazyLock;

use arc_swap::ArcSwap;

use super::file::{self, ListError, ListText};
use super::{ALL, ListHeader};
use crate::config::ListFiles;
use crate::enrich::bot::{BotNames, BotPatterns};
use crate::enrich::network::DataCentres;
use crate::enrich::spam::SpamHosts;

/// What is searched, made from the four lists.
pub(in crate::enrich) struct ListsInForce {
    pub(in crate::enrich) patterns: BotPatterns,
    pub(in crate::enrich) names: BotNames,
    pub(in crate::enrich) spam: SpamHosts,
    pub(in crate::enrich) data_centres: DataCentres,
    /// In the order of [`ALL`].
    texts: [ListText; 4],
}

static IN_FORCE: LazyLock<ArcSwap<&'static ListsInForce>> = LazyLock::new(|| {
    let built_in = ALL.map(|list| ListText { text: list.text, header: list.header() });
    let lists = ListsInForce::new(built_in).expect("a test reads every built-in list");
    ArcSwap::from_pointee(Box::leak(Box::new(lists)))
});

impl ListsInForce {
    fn new(texts: [ListText; 4]) -> Result<Self, ListError> {
        let [isbot, crawlers, referrer_spam, data_centres] = texts;
        Ok(Self {
            patterns: file::parsed(isbot, BotPatterns::new)?,
            names: file::parsed(crawlers, BotNames::new)?,
            spam: file::parsed(referrer_spam, SpamHosts::new)?,
            data_centres: file::parsed(data_centres, DataCentres::new)?,
            texts,
        })
    }
}

/// The lists in force. The reference is another one after each change.
pub(in crate::enrich) fn in_force() -> &'static ListsInForce {
    **IN_FORCE.load()
}

/// Origins of the lists in force.
pub fn headers() -> [ListHeader; 4] {
    in_force().texts.each_ref().map(|list| list.header)
}

/// Puts the named files in force, and built-in lists for the others. Returns whether anything changed.
///
/// Lists that were replaced stay in memory, some 3 MiB each time: a search may still read them, and its answers refer to them.
///
/// # Errors
/// [`ListError`], with the file and the line; then nothing has changed.
pub fn install(files: &ListFiles) -> Result<bool, ListError> {
    let paths = [&files.isbot, &files.crawlers, &files.referrer_spam, &files.data_centres];
    let old = &in_force().texts;
    let mut texts = *old;
    for (((text, path), list), old) in texts.iter_mut().zip(paths).zip(ALL).zip(old) {
        *text = match path {
            Some(path) => file::read(path, list, old)?,
            None => ListText { text: list.text, header: list.header() },
        };
    }
    let is_same = texts.iter().zip(old).all(|(new, old)| new.header == old.header && new.text == old.text);
    if !is_same {
        IN_FORCE.store(std::sync::Arc::new(Box::leak(Box::new(ListsInForce::new(texts)?))));
    }
    Ok(!is_same)
}
