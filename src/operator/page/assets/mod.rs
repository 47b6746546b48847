//! The stylesheet, the script and the icon of the page, which are part of the program. Their paths have the hash of their content, so a browser
//! fetches each once.

use std::sync::LazyLock;

use hyper::header::HeaderMap;
use hyper::{Response, StatusCode};

use crate::transport::Body;
use crate::transport::negotiation::{EncodedFile, IMMUTABLE};
use crate::transport::response;

static STYLE: LazyLock<EncodedFile> = LazyLock::new(|| {
    EncodedFile::new("text/css; charset=utf-8", include_bytes!("../../../../script/dist/page.css"))
        .compressed(
            include_bytes!("../../../../script/dist/page.css.br"),
            include_bytes!("../../../../script/dist/page.css.gz"),
        )
});
static SCRIPT: LazyLock<EncodedFile> = LazyLock::new(|| {
    EncodedFile::new("text/javascript; charset=utf-8", include_bytes!("../../../../script/dist/page.js"))
        .compressed(
            include_bytes!("../../../../script/dist/page.js.br"),
            include_bytes!("../../../../script/dist/page.js.gz"),
        )
});
static ICON: LazyLock<EncodedFile> =
    LazyLock::new(|| EncodedFile::new("image/svg+xml", include_bytes!("icon.svg")));
const FOLDER: &str = "/assets/";

/// The path of the stylesheet.
pub(in crate::operator) fn style_path() -> String {
    format!("{FOLDER}page.{}.css", STYLE.hash())
}

/// The path of the script.
pub(super) fn script_path() -> String {
    format!("{FOLDER}page.{}.js", SCRIPT.hash())
}

/// The path of the icon.
pub(in crate::operator) fn icon_path() -> String {
    format!("{FOLDER}icon.{}.svg", ICON.hash())
}

/// The file at a path; `None` if the path is not one of files. A page of an older program asks for a file that is gone.
pub(super) fn respond(path: &str, headers: &HeaderMap) -> Option<Response<Body>> {
    path.strip_prefix(FOLDER)?;
    Some(if path == style_path() {
        STYLE.response(headers, IMMUTABLE)
    } else if path == script_path() {
        SCRIPT.response(headers, IMMUTABLE)
    } else if path == icon_path() {
        ICON.response(headers, IMMUTABLE)
    } else {
        response::empty(StatusCode::NOT_FOUND)
    })
}
