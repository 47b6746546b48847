//! What a click on a link was: the script of pages sends the link, and its kind is found out here.

/// Types of files that browsers save or open outside of the page, by the end of the path.
const FILE_TYPES: [&str; 26] = [
    "7z", "apk", "avi", "csv", "dmg", "doc", "docx", "epub", "exe", "gz", "mov", "mp3", "mp4", "odp", "ods",
    "odt", "pdf", "ppt", "pptx", "rar", "rtf", "txt", "wav", "xls", "xlsx", "zip",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClickedLink {
    File,
    OtherHost,
    /// A page of the host that the link is on.
    SameHost,
}

impl ClickedLink {
    /// `is_download` says whether the link has the attribute `download`; `page` is the address of the page that it is on.
    pub(super) fn of(link: &str, is_download: bool, page: &str) -> Self {
        let (host, path) = split(link);
        if is_download || is_file(path) {
            Self::File
        } else if host.eq_ignore_ascii_case(split(page).0) {
            Self::SameHost
        } else {
            Self::OtherHost
        }
    }
}

/// Host with port, and path, of a web address.
fn split(address: &str) -> (&str, &str) {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    rest.find('/').map_or((rest, ""), |at| rest.split_at(at))
}

fn is_file(path: &str) -> bool {
    let file_type = path.rsplit_once('.').map_or("", |(_, end)| end);
    FILE_TYPES.iter().any(|known| known.eq_ignore_ascii_case(file_type))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(link: &str) -> ClickedLink {
        ClickedLink::of(link, false, "https://clinic.example:8443/doctors?utm_source=mail")
    }

    #[test]
    fn only_known_types_of_files_are_downloads() {
        for page in
            ["page.aspx", "v1.25", "index.jsp", "about.htm", "pdf", "a.pdf/", "list.html?a.pdf", "#a.zip"]
        {
            let link = format!("https://clinic.example:8443/{page}");
            assert_eq!(of(&link), ClickedLink::SameHost, "{page}");
        }
        for file in ["list.PDF?v=2", "a.tar.gz", "price.xlsx", "b.7z", "x.doc#page=2"] {
            for host in ["clinic.example:8443", "other.example"] {
                assert_eq!(of(&format!("https://{host}/{file}")), ClickedLink::File, "{file}");
            }
        }
        assert_eq!(of("https://files.zip/"), ClickedLink::OtherHost);
        assert_eq!(ClickedLink::of("https://clinic.example/report", true, ""), ClickedLink::File);
        assert_eq!(ClickedLink::of("blob:", true, "https://clinic.example/"), ClickedLink::File);
    }

    #[test]
    fn a_link_to_another_host_or_port_is_outbound() {
        for link in ["https://other.example/x", "https://clinic.example/", "http://www.clinic.example:8443/"]
        {
            assert_eq!(of(link), ClickedLink::OtherHost, "{link}");
        }
        for link in
            ["https://CLINIC.example:8443", "http://clinic.example:8443/a", "https://clinic.example:8443?x"]
        {
            assert_eq!(of(link), ClickedLink::SameHost, "{link}");
        }
    }
}
