//! `footfall incident`: what an incident concerns (clause 5.3), and the two notices of Russian law, filled in as far as the store knows.
//!
//! Source of the notices: Federal Law 152-FZ, article 21, part 3.1: within 24 hours the incident, its presumed causes, the presumed harm and the measures
//! taken; within 72 hours the results of the inquiry. Only summaries of the law were read. Check the form that the authority asks for.

use std::io::Write;

use clap::ValueEnum;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::json;

use crate::app::ExitError;
use crate::command::arguments::{CommonArguments, OutputFormat};
use crate::command::duties::act::ActLanguage;
use crate::store::Client;
use crate::store::incident::{AffectedData, affected};

#[derive(Debug, clap::Args)]
pub(crate) struct IncidentArguments {
    /// The first day of receipt, UTC.
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Date,
    /// The last day of receipt, UTC.
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Date,
    /// One site [default: all].
    #[arg(long, value_name = "SITE")]
    site: Option<String>,
    /// What to print.
    #[arg(long, value_enum, default_value_t)]
    print: IncidentText,
    /// The language of the text.
    #[arg(long, value_enum, default_value_t)]
    language: ActLanguage,
    /// The format of the output; JSON has what the store knows, and no text.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum IncidentText {
    /// What the incident concerns.
    #[default]
    Report,
    /// The notice to the authority within 24 hours.
    #[value(name = "notice-24h")]
    First,
    /// The notice with the results of the inquiry within 72 hours.
    #[value(name = "notice-72h")]
    Second,
}

/// # Errors
/// When the store does not answer.
pub(crate) fn run(arguments: IncidentArguments, common: &CommonArguments) -> Result<(), ExitError> {
    let config = common.load()?;
    let client = Client::reading(&config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let period = (arguments.from, arguments.to);
    let data = runtime.block_on(affected(&client, period, arguments.site.as_deref()))?;
    let mut out = std::io::stdout().lock();
    if matches!(arguments.format, OutputFormat::Json) {
        let json = json!({ "from": period.0, "to": period.1, "affected": data });
        writeln!(out, "{json:#}")?;
        return Ok(());
    }
    let text = match arguments.print {
        IncidentText::Report => report(&data, period, arguments.language),
        IncidentText::First => first_notice(&data, period, arguments.language),
        IncidentText::Second => second_notice(&data, period, arguments.language),
    };
    Ok(out.write_all(text.as_bytes())?)
}

/// The facts, in the words of all three texts.
fn facts(data: &AffectedData, (from, to): (Date, Date), language: ActLanguage) -> String {
    let pick = |russian, english| language.pick(russian, english);
    let mut text = format!("{}: {from} – {to} (UTC)\n", pick("Период", "Period"));
    text += &format!("{}:\n", pick("Сайты", "Sites"));
    for site in &data.sites {
        text += &match language {
            ActLanguage::Ru => format!(
                "  {}: событий {}, псевдонимов посетителей {}, псевдонимов адресов {}; с {} по {}\n",
                site.site, site.events, site.visitors, site.addresses, site.first, site.last
            ),
            ActLanguage::En => format!(
                "  {}: {} events, {} pseudonyms of visitors, {} pseudonyms of addresses; from {} to {}\n",
                site.site, site.events, site.visitors, site.addresses, site.first, site.last
            ),
        };
    }
    if data.sites.is_empty() {
        text += pick("  событий нет\n", "  there are no events\n");
    }
    text += &format!("{}: {}\n", pick("Заполненные поля", "Fields with values"), data.fields.join(", "));
    text += &format!("{}:\n", pick("Ключи псевдонимов", "Keys of pseudonyms"));
    for key in &data.keys {
        text += &match (&key.key, &key.destroyed) {
            (Some(key), Some(destroyed)) => {
                format!("  {key}: {} {destroyed}\n", pick("уничтожен", "destroyed at"))
            }
            _ => format!(
                "  {}\n",
                pick(
                    "действующий ключ: тот, кто им завладел, может найти записи его дня по адресу и браузеру",
                    "the key in force: whoever obtained it can find the rows of its day by address and browser"
                )
            ),
        };
    }
    text += pick(
        "IP-адреса и полные адреса страниц не хранятся. Распознанные имена, телефоны и адреса электронной почты заменены. Число псевдонимов не равно числу людей: псевдонимы меняются каждый день, а у людей с одним адресом и браузером псевдоним общий.\n",
        "IP addresses and full addresses of pages are not stored. Names, phone numbers and e-mail addresses are replaced where they are recognised. The number of pseudonyms is not the number of people: pseudonyms change daily, and people with the same address and browser share one.\n",
    );
    text
}

fn report(data: &AffectedData, period: (Date, Date), language: ActLanguage) -> String {
    let title = language.pick("ОТЧЁТ ОБ ИНЦИДЕНТЕ", "REPORT OF AN INCIDENT");
    format!("{title}\n\n{}", facts(data, period, language))
}

fn blank(name: &str) -> String {
    format!("{name}: ____________________\n")
}

fn heading(language: ActLanguage, russian: &'static str, english: &'static str) -> String {
    let now = Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
    let operator = blank(language.pick("Оператор, ИНН, адрес", "Operator, tax number, address"));
    format!(
        "{}\n\n{}: {now}\n{operator}",
        language.pick(russian, english),
        language.pick("Составлено", "Drawn up")
    )
}

fn first_notice(data: &AffectedData, period: (Date, Date), language: ActLanguage) -> String {
    let pick = |russian, english| blank(language.pick(russian, english));
    let mut text = heading(
        language,
        "УВЕДОМЛЕНИЕ ОБ ИНЦИДЕНТЕ (в течение 24 часов; часть 3.1 статьи 21 Закона № 152-ФЗ)",
        "NOTICE OF AN INCIDENT (within 24 hours; 152-FZ, article 21, part 3.1)",
    );
    text += &pick("Дата и время выявления", "Found at");
    text += &pick("Описание инцидента", "What happened");
    text += &pick("Предполагаемые причины", "Presumed causes");
    text += &pick(
        "Предполагаемый вред, нанесённый правам субъектов персональных данных",
        "Presumed harm to the people concerned",
    );
    text += &pick("Принятые меры", "Measures taken");
    text += &pick(
        "Лицо, уполномоченное на взаимодействие с Роскомнадзором",
        "Person who deals with the authority",
    );
    text + "\n" + &facts(data, period, language)
}

fn second_notice(data: &AffectedData, period: (Date, Date), language: ActLanguage) -> String {
    let pick = |russian, english| blank(language.pick(russian, english));
    let mut text = heading(
        language,
        "РЕЗУЛЬТАТЫ ВНУТРЕННЕГО РАССЛЕДОВАНИЯ (в течение 72 часов; часть 3.1 статьи 21 Закона № 152-ФЗ)",
        "RESULTS OF THE INQUIRY (within 72 hours; 152-FZ, article 21, part 3.1)",
    );
    text += &pick("Номер и дата первичного уведомления", "Number and date of the first notice");
    text += &pick("Установленные причины", "Causes that were found");
    text += &pick("Установленный вред", "Harm that was found");
    text += &pick(
        "Лица, действия которых стали причиной инцидента (при наличии)",
        "Persons whose actions caused it, if any",
    );
    text += &pick("Дополнительные меры", "Further measures");
    text + "\n" + &facts(data, period, language)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::incident::{AffectedKey, AffectedSite};

    #[test]
    fn each_text_has_the_facts_in_its_language_and_what_the_law_asks_for() {
        let site = AffectedSite {
            site: "clinic".into(),
            events: 7,
            visitors: 3,
            addresses: 2,
            first: "a".into(),
            last: "b".into(),
        };
        let destroyed = AffectedKey {
            key: Some("5f0c9be1".into()),
            destroyed: Some("2026-11-28 00:00:00.412 UTC".into()),
        };
        let alive = AffectedKey { key: None, destroyed: None };
        let data =
            AffectedData { sites: vec![site], fields: vec!["path".into()], keys: vec![destroyed, alive] };
        let day = "2026-11-27".parse().unwrap();
        for (language, site, notice) in [
            (ActLanguage::Ru, "clinic: событий 7, псевдонимов посетителей 3", "Предполагаемый вред"),
            (ActLanguage::En, "clinic: 7 events, 3 pseudonyms of visitors", "Presumed harm"),
        ] {
            let texts = [
                report(&data, (day, day), language),
                first_notice(&data, (day, day), language),
                second_notice(&data, (day, day), language),
            ];
            assert!(texts.iter().all(|text| text.contains(site) && text.contains("5f0c9be1")), "{texts:?}");
            assert!(
                texts[1].contains("24") && texts[1].contains(notice) && texts[2].contains("72"),
                "{texts:?}"
            );
        }
    }
}
