//! Path templates of a site: segments that stand for a person, whatever they look like.

use super::host::HostPattern;

/// Most templates of a site: each is tried for each page.
pub(super) const MAX_TEMPLATES: usize = 200;
/// Longest template in bytes.
const MAX_TEMPLATE: usize = 512;
/// Longest name of a parameter, with its colon.
const MAX_PARAMETER: usize = 32;

/// The templates of a site, in the order in which they are tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PathTemplates(pub Vec<PathTemplate>);

/// The beginning of a path: `/patients/:id/visits/:id`. `:id` is any segment, and stands for it in the stored path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathTemplate {
    text: String,
}

/// A segment of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateSegment<'a> {
    /// This segment and no other.
    Literal(&'a str),
    /// Any segment that is not empty. It becomes this text, which begins with a colon.
    Parameter(&'a str),
}

impl PathTemplates {
    /// The path with the segments of the first template that fits; `None` when none fits or nothing changes.
    pub fn apply(&self, path: &str) -> Option<String> {
        let applied = self.0.iter().find_map(|template| template.apply(path))?;
        (applied != path).then_some(applied)
    }

    /// The same for a link or file: a host as it is stored, and a path. Only addresses of the site's own hosts change.
    pub fn apply_to_link(&self, hosts: &[HostPattern], link: &str) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let (host, path) = link.split_at(link.find('/')?);
        let path = is_own(hosts, host).then(|| self.apply(path))??;
        Some(format!("{host}{path}"))
    }
}

/// Whether a host, as it is stored (in Unicode, perhaps without `www.`), is one of the site's.
pub fn is_own(hosts: &[HostPattern], stored: &str) -> bool {
    let Ok(host) = url::Host::parse(stored) else { return false };
    let host = host.to_string();
    let with_www = format!("www.{host}");
    hosts.iter().any(|pattern| pattern.matches(&host) || pattern.matches(&with_www))
}

impl PathTemplate {
    /// # Errors
    /// When the text is not a template. The error says what a template is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let template = Self { text: text.to_owned() };
        let is_segment = |segment: TemplateSegment<'_>| match segment {
            TemplateSegment::Literal(literal) => {
                let is_plain = |c: char| c.is_ascii_graphic() || (c.is_alphanumeric() && !c.is_ascii());
                !literal.is_empty()
                    && literal.chars().all(|c| is_plain(c) && !"?#%:\"<>\\^`{}".contains(c))
                    && !matches!(literal, "." | "..")
            }
            TemplateSegment::Parameter(name) => {
                (2..=MAX_PARAMETER).contains(&name.len())
                    && name[1..].bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            }
        };
        // One without parameters keeps a page from the templates behind it.
        let is_template =
            text.len() <= MAX_TEMPLATE && text.starts_with('/') && template.segments().all(is_segment);
        if !is_template {
            return Err(format!(
                "must be path templates such as \"/patients/:id/visits/:id\": segments of letters as a page's address shows them, and \
                 parameters of small letters behind a colon; not {text:?}"
            ));
        }
        Ok(template)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn segments(&self) -> impl Iterator<Item = TemplateSegment<'_>> {
        self.text[1..].split('/').map(|segment| {
            if segment.starts_with(':') {
                TemplateSegment::Parameter(segment)
            } else {
                TemplateSegment::Literal(segment)
            }
        })
    }

    /// The path with its first segments replaced; `None` when the template does not fit.
    fn apply(&self, path: &str) -> Option<String> {
        let mut rest = path;
        for wanted in self.segments() {
            let segment = rest.strip_prefix('/')?;
            let (segment, after) = segment.split_at(segment.find('/').unwrap_or(segment.len()));
            let fits = match wanted {
                TemplateSegment::Literal(literal) => segment == literal,
                TemplateSegment::Parameter(_) => !segment.is_empty(),
            };
            if !fits {
                return None;
            }
            rest = after;
        }
        Some(format!("{}{rest}", self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn templates(texts: &[&str]) -> PathTemplates {
        PathTemplates(texts.iter().map(|text| PathTemplate::parse(text).unwrap()).collect())
    }

    #[test]
    fn the_first_template_that_fits_replaces_the_beginning_of_a_path() {
        let templates =
            templates(&["/patients/faq", "/patients/:id/visits/:visit", "/patients/:id", "/карты/:id"]);
        for (path, applied) in [
            ("/patients/4711", Some("/patients/:id")),
            ("/patients/4711/", Some("/patients/:id/")),
            ("/patients/4711/visits", Some("/patients/:id/visits")),
            ("/patients/4711/visits/2", Some("/patients/:id/visits/:visit")),
            ("/patients/:number/visits/a-b/print", Some("/patients/:id/visits/:visit/print")),
            ("/карты/ab", Some("/карты/:id")),
            // Nothing changes.
            ("/patients/:id", None),
            ("/patients/faq", None),
            ("/patients/faq/4711", None),
            ("/patients", None),
            ("/patients/", None),
            ("/patients//visits", None),
            ("/Patients/4711", None),
            ("/a/patients/4711", None),
            ("/", None),
        ] {
            assert_eq!(templates.apply(path).as_deref(), applied, "{path}");
        }
    }

    #[test]
    fn links_change_only_on_the_hosts_of_the_site() {
        let templates = templates(&["/patients/:id"]);
        let hosts = [
            HostPattern::Exact("www.clinic.example".into()),
            HostPattern::Exact("xn--80apagcdp.xn--p1ai".into()),
        ];
        for (link, applied) in [
            ("clinic.example/patients/7/scan.pdf", Some("clinic.example/patients/:id/scan.pdf")),
            ("www.clinic.example/patients/7", Some("www.clinic.example/patients/:id")),
            ("клиника.рф/patients/7", Some("клиника.рф/patients/:id")),
            ("other.example/patients/7", None),
            ("mailto:", None),
            ("", None),
        ] {
            assert_eq!(templates.apply_to_link(&hosts, link).as_deref(), applied, "{link}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in [
            "",
            "/",
            "patients/:id",
            "/patients//:id",
            "/a?b",
            "/a b",
            "/%41",
            "/:",
            "/:ID",
            "/a/../:id",
            "/a:b",
            "/x/",
        ] {
            assert!(PathTemplate::parse(text).is_err(), "{text}");
        }
        for text in ["/:id", "/u/:name/x", "/врачи/:id", "/patients/faq"] {
            assert!(PathTemplate::parse(text).is_ok(), "{text}");
        }
    }
}
