//! The list of the wire formats. Routes, metrics and documents follow from it.

use super::format::WireFormat;
use super::{json, pixel};

pub static WIRE_FORMATS: &[&WireFormat] = &[&json::FORMAT, &pixel::FORMAT];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beacon::BeaconTransfer;

    /// The rows of the table of `docs/wire.md`.
    fn documentation() -> String {
        let mut text = String::from("| request | route | content type | what it is |\n|---|---|---|---|\n");
        for format in WIRE_FORMATS {
            let (method, types) = match format.transfer {
                BeaconTransfer::Post { content_types } => (
                    "POST",
                    content_types.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(", "),
                ),
                BeaconTransfer::Pixel => ("GET", "-".to_owned()),
            };
            text +=
                &format!("| `{method} {}` | `{}` | {types} | {} |\n", format.path, format.name, format.about);
        }
        text
    }

    #[test]
    fn the_documents_list_every_format() {
        crate::generated_docs::check("docs/wire.md", "formats", &documentation());
    }

    #[test]
    fn each_format_has_its_own_name_and_path() {
        for (index, format) in WIRE_FORMATS.iter().enumerate() {
            let others = &WIRE_FORMATS[..index];
            assert!(others.iter().all(|other| other.name != format.name && other.path != format.path));
        }
    }
}
