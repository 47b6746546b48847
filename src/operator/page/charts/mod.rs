//! Charts as SVG: pure functions from figures to text.
//!
//! A chart has no `style` attribute and no colour of its own: `charts.css` styles it by these classes. It has no ids, so a page may hold
//! several. Text is never stretched: what must fit every width lies in an inner `svg` without text.
//!
//! | class | what it is |
//! |---|---|
//! | `chart` | every chart; with it one of `chart-line`, `chart-bars`, `chart-sparkline`, `chart-hours`, `chart-map` |
//! | `chart-grid`, `chart-y`, `chart-x` | a line of the grid, its label at the left, a label below |
//! | `chart-narrow-hidden` | a label that has no room on a phone |
//! | `chart-area`, `chart-stroke`, `chart-comparison` | the area below the series, the series, the series of the other period |
//! | `chart-unfinished` | the part of the area or the series that still grows |
//! | `chart-point` | a point: `rect` where a pointer finds it, `circle` to show it, `title` with its label and value |
//! | `chart-bar` | a bar, a `chart-point` without circle |
//! | `chart-level-0` … `chart-level-5` | a cell or a country by its value: none, then from few to most |
//! | `chart-land` | countries without a value |

mod bars;
mod frame;
mod hours;
mod line;
mod map;
mod scale;
mod svg;
mod world;

pub use bars::{BarChart, bars};
pub use hours::{HourCell, HourChart, hours};
pub use line::{LineChart, line, sparkline};
pub use map::{MapChart, MapCountry, map};
pub use svg::Svg;
pub use world::{WorldMap, WorldMapError};

/// The rules for all charts, a part of the page's one style sheet.
pub const STYLE: &str = include_str!("charts.css");
