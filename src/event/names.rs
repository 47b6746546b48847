//! One declaration of an enum and of the names that its variants have on the wire, in ClickHouse and in lists.

/// Declares an enum with `ALL` (in the order of declaration), `name()` and `from_name()`.
///
/// ```text
/// names! {
///     /// What happened to a door.
///     #[derive(Debug, Clone, Copy, PartialEq, Eq)]
///     pub enum DoorEvent {
///         Opened => "opened",
///         Closed => "closed",
///     }
/// }
/// ```
///
/// A variant may have a number, as in `Opened = 1 => "opened"`.
macro_rules! names {
    (
        $(#[$meta:meta])*
        $vis:vis enum $type:ident {
            $($(#[$variant_meta:meta])* $variant:ident $(= $number:literal)? => $name:literal,)+
        }
    ) => {
        $(#[$meta])*
        $vis enum $type {
            $($(#[$variant_meta])* $variant $(= $number)?,)+
        }

        // A private enum may need only some of them.
        #[allow(dead_code)]
        impl $type {
            /// Every variant, in the order of declaration.
            $vis const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];

            /// The variant's name on the wire, in ClickHouse and in lists.
            $vis const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            $vis fn from_name(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|variant| variant.name() == name)
            }
        }
    };
}

pub(crate) use names;
