//! The lists in force: the built-in ones, or the operator's files.

use std::path::Path;
use std::sync::LazyLock;

use arc_swap::ArcSwap;

use super::file::{self, ListError, ListText};
use super::{ALL, BuiltInList, ListHeader};
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
    let old = &in_force().texts;
    let mut texts = *old;
    for (text, file) in texts.iter_mut().zip(by_list(files)) {
        *text = file.read()?;
    }
    let is_same = texts.iter().zip(old).all(|(new, old)| new.header == old.header && new.text == old.text);
    if !is_same {
        IN_FORCE.store(std::sync::Arc::new(Box::leak(Box::new(ListsInForce::new(texts)?))));
    }
    Ok(!is_same)
}

/// What is wrong with each of the files, by the name of its setting. Changes nothing.
pub fn check(files: &ListFiles) -> Vec<(&'static str, ListError)> {
    let parse = |setting, text| match setting {
        "isbot" => file::parsed(text, BotPatterns::new).map(drop),
        "crawlers" => file::parsed(text, BotNames::new).map(drop),
        "referrer_spam" => file::parsed(text, SpamHosts::new).map(drop),
        _ => file::parsed(text, DataCentres::new).map(drop),
    };
    let named = by_list(files).into_iter().filter(|file| file.path.is_some());
    let problem = |file: NamedFile<'_>| {
        let error = file.read().and_then(|text| parse(file.setting, text)).err()?;
        Some((file.setting, error))
    };
    named.filter_map(problem).collect()
}

/// The file that an operator may have named in the place of a list.
struct NamedFile<'a> {
    setting: &'static str,
    path: Option<&'a Path>,
    built_in: &'static BuiltInList,
    in_force: &'static ListText,
}

impl NamedFile<'_> {
    fn read(&self) -> Result<ListText, ListError> {
        match self.path {
            Some(path) => file::read(path, self.built_in, self.in_force),
            None => Ok(ListText { text: self.built_in.text, header: self.built_in.header() }),
        }
    }
}

/// In the order of [`ALL`].
fn by_list(files: &ListFiles) -> [NamedFile<'_>; 4] {
    let settings = [
        ("isbot", &files.isbot),
        ("crawlers", &files.crawlers),
        ("referrer_spam", &files.referrer_spam),
        ("data_centres", &files.data_centres),
    ];
    let texts = &in_force().texts;
    std::array::from_fn(|index| {
        let (setting, path) = settings[index];
        NamedFile { setting, path: path.as_deref(), built_in: ALL[index], in_force: &texts[index] }
    })
}
