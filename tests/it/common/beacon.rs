//! Valid beacons.

/// A valid beacon with one view of `path` on `clinic.example`.
pub fn good_beacon(site: &str, page_load: u64, seq: u32, path: &str) -> String {
    format!(
        r#"{{"v":1,"s":"{site}","l":"{}","o":{seq},"w":1536,"h":864,"g":"ru-RU","z":"Europe/Moscow","c":1,"e":[{{"k":"view","a":0,"u":"https://clinic.example{path}"}}]}}"#,
        page_load_id(page_load)
    )
}

/// A page load's id in base 36, as the script writes it.
pub fn page_load_id(page_load: u64) -> String {
    crate::load::base36(page_load, &mut [0; 13]).to_owned()
}
