//! Countries of the world, shaded by their values.

use std::collections::HashMap;

use super::svg::{Svg, escaped};
use super::world::{WorldMap, WorldShape};

/// A country is in the highest level from the first share of the largest value on, and so on down; below the last it is in level 1. Visitors
/// are spread unevenly over countries: equal steps would leave all countries but a few in the lowest.
const LEVELS: [(f64, u32); 4] = [(0.5, 5), (0.2, 4), (0.05, 3), (0.01, 2)];

pub struct MapChart<'a> {
    pub world: &'a WorldMap,
    /// What the chart shows, for those who do not see it.
    pub title: &'a str,
    /// Countries that the map does not have are left out.
    pub countries: &'a [MapCountry<'a>],
}

pub struct MapCountry<'a> {
    /// A code of ISO 3166-1.
    pub code: &'a str,
    pub value: f64,
    /// The name and the value in words.
    pub label: String,
    /// Where a click leads.
    pub href: Option<String>,
}

/// The map. Links are left out of the order of the tab key, because the tables of countries have the same ones.
pub fn map(chart: &MapChart<'_>) -> Svg {
    let shown = chart.countries.iter().filter(|country| country.value > 0.0);
    let by_code: HashMap<&str, &MapCountry<'_>> = shown.map(|country| (country.code, country)).collect();
    let largest = by_code.values().map(|country| country.value).fold(0.0, f64::max);
    let mut land = String::new();
    let mut countries = String::new();
    for shape in &chart.world.shapes {
        match by_code.get(&*shape.code) {
            Some(found) => countries += &country(shape, found, largest),
            None if shape.is_dot => {}
            None => land += &shape.path,
        }
    }
    let attributes = format!("width=\"100%\" viewBox=\"0 0 {} {}\"", chart.world.width, chart.world.height);
    let content = format!("<path class=\"chart-land\" d=\"{land}\"/>{countries}");
    let has_links = by_code.values().any(|country| country.href.is_some());
    let element = if has_links { Svg::group } else { Svg::image };
    element("chart-map", &attributes, chart.title, &content)
}

fn country(shape: &WorldShape, country: &MapCountry<'_>, largest: f64) -> String {
    let label = escaped(&country.label);
    let class = format!("chart-level-{}", level(country.value, largest));
    let dot = if shape.is_dot { " chart-dot" } else { "" };
    let path = format!("<path class=\"{class}{dot}\" d=\"{}\"><title>{label}</title></path>", shape.path);
    match &country.href {
        Some(href) => {
            let href = escaped(href);
            format!("<a href=\"{href}\" tabindex=\"-1\" aria-label=\"{label}\">{path}</a>")
        }
        None => path,
    }
}

/// From 1 to 5; see [`LEVELS`].
fn level(value: f64, largest: f64) -> u32 {
    let share = value / largest;
    LEVELS.iter().find(|(least, _)| share >= *least).map_or(1, |(_, level)| *level)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(code: &'static str, value: f64, href: Option<&str>) -> MapCountry<'static> {
        MapCountry { code, value, label: format!("<{code}>: {value}"), href: href.map(str::to_owned) }
    }

    fn draw(countries: &[MapCountry<'_>]) -> String {
        map(&MapChart { world: WorldMap::built_in(), title: "Visitors by country", countries }).to_string()
    }

    #[test]
    fn countries_are_shaded_by_their_share_of_the_largest() {
        let svg = draw(&[country("RU", 100.0, None), country("DE", 6.0, None), country("FR", 0.5, None)]);
        assert!(svg.contains("role=\"img\""), "{svg}");
        for (level, label) in [(5, "RU&#62;: 100"), (3, "DE&#62;: 6"), (1, "FR&#62;: 0.5")] {
            let from = svg.find(&format!("chart-level-{level}\"")).unwrap();
            let title = svg[from..].find("<title>").unwrap() + from;
            assert!(
                svg[title..].starts_with(&format!("<title>&#60;{label}</title>")),
                "{}",
                &svg[title..title + 40]
            );
        }
    }

    #[test]
    fn small_countries_are_dots_only_where_they_have_a_value() {
        assert_eq!(draw(&[country("RU", 1.0, None)]).matches("chart-dot").count(), 0);
        assert_eq!(draw(&[country("SG", 1.0, None)]).matches("chart-dot").count(), 1);
    }

    #[test]
    fn a_map_with_links_is_a_group_of_named_links() {
        let svg =
            draw(&[country("RU", 1.0, Some("/sites/a?filter=country%3DRU&x=\"")), country("ZZ", 1.0, None)]);
        assert!(svg.contains("role=\"group\""));
        assert!(svg.contains("<a href=\"/sites/a?filter=country%3DRU&#38;x=&#34;\" tabindex=\"-1\" aria-label=\"&#60;RU&#62;: 1\">"));
    }
}
