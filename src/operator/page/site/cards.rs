//! The cards below the series: each shows one report of a few that belong together, and links to the others as tabs.

use serde_json::Value;

use super::hours::HoursOfWeek;
use crate::operator::page::address::{View, ViewAddress};
use crate::operator::page::charts::{self, MapChart, MapCountry, Svg, WorldMap};
use crate::operator::page::context::ViewContext;
use crate::operator::page::layout::PageLink;
use crate::operator::page::rows::{self, Heading, RowName, Shown};
use crate::operator::page::words;
use crate::operator::reading;
use crate::report::catalogue;
use crate::report::{Note, RawReportRequest, ReportAnswer, ReportError};
use crate::transport::negotiation::Language;

const GOALS: &str = "goals";
/// The tab of each card of a funnel.
const FUNNEL: TabSpec = ("funnel", "funnel", ["Funnel", "Воронка"]);

/// Rows of a card: as many as the eye counts at once, and the same for all, so that one query answers them.
const ROWS: &str = "9";
/// Rows below the map, which has room for fewer.
const MAP_ROWS: usize = 6;
/// More countries than there are.
const ALL_COUNTRIES: &str = "300";

struct CardSpec {
    id: &'static str,
    title: [&'static str; 2],
    tabs: &'static [TabSpec],
}

/// The name in the address, the report, and the label.
type TabSpec = (&'static str, &'static str, [&'static str; 2]);

const CARDS: [CardSpec; 9] = [
    CardSpec {
        id: "pages",
        title: ["Pages", "Страницы"],
        tabs: &[
            ("pages", "pages", ["Pages", "Страницы"]),
            ("entries", "entries", ["Entries", "Входы"]),
            ("exits", "exits", ["Exits", "Выходы"]),
        ],
    },
    CardSpec {
        id: "sources",
        title: ["Sources", "Источники"],
        tabs: &[
            ("sources", "sources", ["Sources", "Источники"]),
            ("channels", "channels", ["Channels", "Каналы"]),
            ("referring-pages", "referring-pages", ["Referring pages", "Ссылающиеся страницы"]),
            ("campaigns", "campaigns", ["Campaigns", "Кампании"]),
            ("utm-sources", "utm-sources", ["utm_source", "utm_source"]),
            ("utm-mediums", "utm-mediums", ["utm_medium", "utm_medium"]),
            ("utm-contents", "utm-contents", ["utm_content", "utm_content"]),
            ("utm-terms", "utm-terms", ["utm_term", "utm_term"]),
        ],
    },
    CardSpec {
        id: "places",
        title: ["Places", "География"],
        tabs: &[
            ("map", "countries", ["Map", "Карта"]),
            ("countries", "countries", ["Countries", "Страны"]),
            ("regions", "regions", ["Regions", "Регионы"]),
            ("cities", "cities", ["Cities", "Города"]),
            ("networks", "networks", ["Networks", "Сети"]),
        ],
    },
    CardSpec {
        id: "technology",
        title: ["Technology", "Технологии"],
        tabs: &[
            ("browsers", "browsers", ["Browsers", "Браузеры"]),
            ("systems", "systems", ["Systems", "Системы"]),
            ("devices", "devices", ["Devices", "Устройства"]),
            ("screens", "screens", ["Screens", "Экраны"]),
            ("languages", "languages", ["Languages", "Языки"]),
        ],
    },
    CardSpec {
        id: "events",
        title: ["Events", "События"],
        tabs: &[
            ("events", "events", ["Events", "События"]),
            ("props", "props", ["Properties", "Свойства"]),
            ("downloads", "downloads", ["Downloads", "Скачивания"]),
            ("outbound", "outbound", ["Outbound", "Внешние ссылки"]),
        ],
    },
    CardSpec {
        id: "ads",
        title: ["Advertising blocks", "Рекламные блоки"],
        tabs: &[("ads", "ads", ["Blocks", "Блоки"])],
    },
    CardSpec {
        id: "hours",
        title: ["Hours of the week", "Часы и дни недели"],
        tabs: &[("hours", "hours", ["Hours", "Часы"])],
    },
    CardSpec {
        id: "scroll",
        title: ["Scroll depth", "Глубина прокрутки"],
        tabs: &[("scroll", "scroll", ["Pages", "Страницы"])],
    },
    CardSpec {
        id: "goals", title: ["Goals", "Цели"], tabs: &[("goals", "goals", ["Goals", "Цели"])]
    },
];

pub(super) struct Card {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) about: String,
    /// More than one, or none.
    pub(super) tabs: Vec<PageLink>,
    pub(super) body: CardBody,
    /// The report in detail.
    pub(super) more: Option<PageLink>,
    pub(super) credit: Option<&'static str>,
}

pub(super) enum CardBody {
    Table(CardTable),
    Map(Svg, CardTable),
    Hours(HoursOfWeek),
    /// Why there is nothing.
    Message(String),
}

pub(super) struct CardTable {
    pub(super) name: String,
    pub(super) counted: Heading,
    pub(super) share: Option<Heading>,
    pub(super) rows: Vec<CardRow>,
    pub(super) remark: Option<String>,
}

pub(super) struct CardRow {
    pub(super) name: RowName,
    pub(super) figure: Shown,
    pub(super) share: Shown,
    /// From 0 to 100.
    pub(super) bar: String,
}

/// A card whose figures are asked for.
pub(super) struct PlannedCard {
    id: String,
    title: String,
    tabs: Vec<&'static TabSpec>,
    open: &'static TabSpec,
    /// What to ask for, or why that cannot be shown.
    pub(super) request: Result<RawReportRequest, String>,
}

/// The cards that the reader may see, each with its open tab.
pub(super) fn plan(context: &ViewContext) -> Vec<PlannedCard> {
    let has_goals = !context.reports.goals(&context.address.site).is_empty();
    let shown = CARDS.iter().filter(|spec| spec.id != GOALS || has_goals);
    let mut planned: Vec<PlannedCard> = shown.filter_map(|spec| plan_card(context, spec)).collect();
    let report = catalogue::find(FUNNEL.1).expect("the catalogue has funnels");
    if reading::readable(report, &context.principal) {
        let funnels = context.reports.funnels(&context.address.site);
        planned.extend(funnels.iter().enumerate().map(|(number, funnel)| PlannedCard {
            id: format!("funnel-{number}"),
            title: funnel.name.to_string(),
            tabs: Vec::new(),
            open: &FUNNEL,
            request: Ok(
                context.address.with(|to| to.funnel = Some(funnel.name.to_string())).request(FUNNEL.1),
            ),
        }));
    }
    planned
}

fn plan_card(context: &ViewContext, spec: &'static CardSpec) -> Option<PlannedCard> {
    let is_readable = |tab: &&TabSpec| {
        catalogue::find(tab.1).is_some_and(|report| reading::readable(report, &context.principal))
    };
    let tabs: Vec<&'static TabSpec> = spec.tabs.iter().filter(is_readable).collect();
    let is_open = |tab: &&&TabSpec| context.address.tabs.iter().any(|name| name == tab.0);
    let open = tabs.iter().find(is_open).or_else(|| tabs.first()).copied()?;
    let mut raw = context.address.request(open.1);
    raw.limit = match open.0 {
        "map" => Some(ALL_COUNTRIES.to_owned()),
        "hours" => None,
        _ => Some(ROWS.to_owned()),
    };
    let raw = raw.for_report(open.1);
    let parsed = reading::reports_for(&context.reports, open.1, &context.principal).parse(&raw);
    let request = match parsed {
        Err(error @ ReportError::NotPublished(_)) => Err(words::report_reason(&error, context.language)),
        // Another error is that of the whole page, and reading says it.
        _ => Ok(raw),
    };
    let (id, title) = (spec.id.to_owned(), context.language.pick(spec.title).to_owned());
    Some(PlannedCard { id, title, tabs, open, request })
}

impl PlannedCard {
    /// Whether its figures come from events instead of daily figures, and take long.
    pub(super) fn is_slow(&self) -> bool {
        [GOALS, FUNNEL.0].contains(&self.open.0)
    }

    /// The card with the answer to its request.
    pub(super) fn fill(self, context: &ViewContext, answer: Option<&ReportAnswer>) -> Card {
        let Self { id, title, tabs, open, request } = self;
        let funnel = request.as_ref().ok().and_then(|raw| raw.funnel.clone());
        let language = context.language;
        let report = catalogue::find(open.1).expect("only known reports are planned");
        let tab = |tab: &&TabSpec| {
            PageLink::new(language.pick(tab.2), &with_tab(&context.address, &tabs, tab.0))
                .current(tab.0 == open.0)
        };
        let body = match (answer, request) {
            (Some(answer), _) if answer.rows.is_empty() => CardBody::Message(nothing(context, answer)),
            (Some(answer), _) => match open.0 {
                "map" => CardBody::Map(map(context, answer), table(context, answer, MAP_ROWS)),
                "hours" => CardBody::Hours(HoursOfWeek::new(context, answer)),
                _ => CardBody::Table(table(context, answer, usize::MAX)),
            },
            (None, Err(reason)) => CardBody::Message(reason),
            (None, Ok(_)) => CardBody::Message(String::new()),
        };
        let has_rows = !matches!(body, CardBody::Message(_));
        let detail = context.address.to_view(View::Report(report.name.to_owned()));
        let detail = detail.with(|detail| detail.funnel = funnel);
        Card {
            id,
            title,
            about: words::text(&report.about, language).to_owned(),
            tabs: if tabs.len() > 1 { tabs.iter().map(tab).collect() } else { Vec::new() },
            body,
            more: has_rows.then(|| PageLink::new(context.say("All", "Все"), &detail)),
            credit: report.credit(report.by.first().copied()),
        }
    }
}

/// The page with another tab of a card open.
fn with_tab(address: &ViewAddress, tabs: &[&TabSpec], name: &str) -> ViewAddress {
    address.with(|address| {
        address.tabs.retain(|open| !tabs.iter().any(|tab| tab.0 == open));
        address.tabs.push(name.to_owned());
    })
}

/// Why an answer has no rows.
fn nothing(context: &ViewContext, answer: &ReportAnswer) -> String {
    let is_telling = |note: &&Note| !matches!(note, Note::TodayIsOld { .. });
    match answer.notes.iter().find(is_telling) {
        Some(note) => words::note(note, context.language),
        None => context.say("Nothing in this period.", "За этот период ничего нет.").to_owned(),
    }
}

fn table(context: &ViewContext, answer: &ReportAnswer, most: usize) -> CardTable {
    let report = answer.request.report;
    let language = context.language;
    let counted = rows::counted(report).unwrap_or((0, &report.columns[0]));
    let share = rows::share(report);
    // The folded row may be larger than all others, whose bars would then be too short to compare.
    let named = answer.rows.iter().filter(|row| !rows::is_other(row));
    let largest = named.filter_map(|row| rows::value(row, counted.0)).fold(0.0, f64::max);
    let row = |row: &Vec<Value>| {
        let width = rows::value(row, counted.0)
            .filter(|_| largest > 0.0)
            .map_or(0.0, |value| (100.0 * value / largest).min(100.0));
        CardRow {
            name: rows::name(context, answer, row),
            figure: rows::figure(row, counted, language),
            share: share.map_or_else(Shown::default, |share| rows::figure(row, share, language)),
            bar: format!("{width:.1}"),
        }
    };
    CardTable {
        name: words::heading(&report.columns[usize::from(report.name == FUNNEL.1)], language),
        counted: Heading::new(counted.1, language),
        share: share.map(|(_, column)| Heading::new(column, language)),
        rows: rows::folded_last(answer).into_iter().take(most).map(row).collect(),
        remark: missing_steps(context, answer),
    }
}

/// Says from which step on a funnel has no rows.
fn missing_steps(context: &ViewContext, answer: &ReportAnswer) -> Option<String> {
    let step = answer.request.funnel.as_ref()?.steps.get(answer.rows.len())?;
    let (number, name) = (answer.rows.len() + 1, &step.name);
    Some(match context.language {
        Language::English => {
            format!(
                "No row for “{number}. {name}” and what follows: on each day too few visitors took it, or none."
            )
        }
        Language::Russian => {
            format!(
                "Строки «{number}. {name}» и следующих нет: в каждый из дней этот шаг прошли слишком мало посетителей или никто."
            )
        }
    })
}

fn map(context: &ViewContext, answer: &ReportAnswer) -> Svg {
    let report = answer.request.report;
    let counted = rows::counted(report).unwrap_or((0, &report.columns[0]));
    let countries: Vec<MapCountry<'_>> = answer
        .rows
        .iter()
        .filter_map(|row| {
            let name = rows::name(context, answer, row);
            let figure = rows::figure(row, counted, context.language);
            Some(MapCountry {
                code: row[0].as_str()?,
                value: rows::value(row, counted.0)?,
                label: format!("{}: {}", name.name, figure.text),
                href: name.href,
            })
        })
        .collect();
    let title = context.say("Visitors by country", "Посетители по странам");
    let world = context.collector.as_ref().map_or_else(|| WorldMap::built_in(), |collector| collector.map());
    charts::map(&MapChart { world, title, countries: &countries })
}

impl CardBody {
    pub(super) fn table(&self) -> Option<&CardTable> {
        match self {
            Self::Table(table) | Self::Map(_, table) => Some(table),
            _ => None,
        }
    }

    pub(super) fn chart(&self) -> Option<&Svg> {
        match self {
            Self::Map(svg, _) => Some(svg),
            Self::Hours(hours) => Some(&hours.chart),
            _ => None,
        }
    }

    pub(super) fn hours(&self) -> Option<&HoursOfWeek> {
        match self {
            Self::Hours(hours) => Some(hours),
            _ => None,
        }
    }

    pub(super) fn message(&self) -> Option<&str> {
        match self {
            Self::Message(message) => Some(message),
            _ => None,
        }
    }
}
