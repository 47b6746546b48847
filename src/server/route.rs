use hyper::Method;

/// Declares the routes, so that paths, names and count come from one list.
macro_rules! routes {
    ($($(#[$about:meta])* $route:ident = $name:literal,)+) => {
        /// What a request is for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Route {
            $($(#[$about])* $route,)+
        }

        impl Route {
            pub(super) const ALL: &[Self] = &[$(Self::$route),+];

            /// The value of label `route` of `footfall_requests_total`.
            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$route => $name,)+
                }
            }
        }
    };
}

routes! {
    /// `/b`
    Beacon = "beacon",
    /// `/b.gif`
    Pixel = "pixel",
    /// `/s.js`, and the path with the hash of its content.
    Script = "script",
    /// Any other path.
    Other = "other",
}

impl Route {
    /// The route of a path; `hashed_script` is the path of the script with its hash.
    pub(super) fn from_path(path: &str, hashed_script: &str) -> Self {
        match path {
            "/b" => Self::Beacon,
            "/b.gif" => Self::Pixel,
            "/s.js" => Self::Script,
            path if path == hashed_script => Self::Script,
            _ => Self::Other,
        }
    }
}

/// Whether a method only reads.
pub(super) fn is_read(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}
