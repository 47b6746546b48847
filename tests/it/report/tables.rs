//! What a terminal shows.

use footfall::report::{catalogue, table};

use super::Site;

#[tokio::test]
async fn tables_fit_terminals_of_80_and_160_columns() {
    let site = Site::small().await;
    for (report, options) in [
        ("overview", [].as_slice()),
        ("timeseries", &[]),
        ("pages", &[]),
        ("cities", &["filter=country=RU"]),
        ("ads", &[]),
        ("errors", &[]),
        ("speed", &[]),
        ("ip-addresses", &[]),
    ] {
        let answer = site.answer(report, options).await;
        for width in [80, 160] {
            let text = table::render(&answer, width);
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= usize::from(width), "{report} is {longest} wide:\n{text}");
            insta::assert_snapshot!(format!("{report}_{width}"), text);
        }
    }
    // Some of the reports, so that a new report does not change the snapshot.
    let some = ["overview", "pages", "browser-versions", "speed"];
    let some = some.map(|name| catalogue::find(name).unwrap().clone());
    insta::assert_snapshot!("catalogue_80", table::catalogue(&some, 80));
}
