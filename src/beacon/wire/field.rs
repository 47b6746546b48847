//! One declaration of a wire object: its `serde` form, the names that an error may contain, and its table in `docs/wire.md`.

pub(in crate::beacon) struct WireField {
    /// Its name on the wire.
    pub(in crate::beacon) name: &'static str,
    /// The rest of its `serde` attribute, such as `borrow, default`.
    options: &'static str,
    #[cfg(test)]
    pub(in crate::beacon) type_name: fn() -> &'static str,
    #[cfg(test)]
    pub(in crate::beacon) meaning: &'static str,
}

impl WireField {
    pub(in crate::beacon) const fn new(
        name: &'static str,
        options: &'static str,
        #[cfg(test)] type_name: fn() -> &'static str,
        #[cfg(test)] meaning: &'static str,
    ) -> Self {
        Self {
            name,
            options,
            #[cfg(test)]
            type_name,
            #[cfg(test)]
            meaning,
        }
    }

    pub(in crate::beacon) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.options.contains(&format!("alias = \"{name}\""))
    }

    /// Whether an object without the field is refused.
    #[cfg(test)]
    pub(in crate::beacon) fn is_required(&self) -> bool {
        !self.options.contains("default")
    }
}

/// How `docs/wire.md` calls the type of a field.
#[cfg(test)]
pub(in crate::beacon) trait WireType {
    fn type_name() -> &'static str;
}

/// Declares a struct that `serde` reads, with the constant `FIELDS` and `from_members`, which reads field by field.
///
/// Each field has one line of documentation, which `docs/wire.md` shows, and `#[serde(rename = "…", …)]`.
macro_rules! wire_object {
    (
        $(#[$meta:meta])*
        $vis:vis struct $type:ident $(<$life:lifetime>)? {
            $(
                #[doc = $meaning:literal]
                #[serde(rename = $name:literal $($option:tt)*)]
                $field_vis:vis $field:ident: $field_type:ty,
            )*
        }
    ) => {
        $(#[$meta])*
        #[derive(serde::Deserialize)]
        $vis struct $type $(<$life>)? {
            $(
                #[doc = $meaning]
                #[serde(rename = $name $($option)*)]
                $field_vis $field: $field_type,
            )*
        }

        #[allow(single_use_lifetimes)]
        impl $(<$life>)? $type $(<$life>)? {
            $vis const FIELDS: &'static [$crate::beacon::wire::WireField] = &[$(
                $crate::beacon::wire::WireField::new(
                    $name,
                    stringify!($($option)*),
                    #[cfg(test)]
                    <$field_type as $crate::beacon::wire::WireType>::type_name,
                    #[cfg(test)]
                    $meaning,
                )
            ),*];
        }

        // Only some objects are read field by field.
        #[allow(dead_code, single_use_lifetimes)]
        impl $(<$life>)? $type $(<$life>)? {
            /// Reads each field by itself. One that is not required and cannot be read is added to `lost`.
            ///
            /// # Errors
            /// With a required field that is missing or cannot be read.
            $vis fn from_members<'de $(: $life)?>(
                members: &$crate::beacon::wire::Members<'de>,
                lost: &mut Vec<$crate::beacon::wire::FieldError>,
            ) -> Result<Self, $crate::beacon::wire::FieldError> {
                Ok(Self {
                    $($field: $crate::beacon::wire::read_field!(members, lost, $name $($option)*),)*
                })
            }
        }

        #[cfg(test)]
        impl $(<$life>)? $crate::beacon::wire::WireType for $type $(<$life>)? {
            fn type_name() -> &'static str {
                "object"
            }
        }
    };
}

/// Reads a field from [`Members`](super::Members), by its `serde` attribute.
macro_rules! read_field {
    ($members:ident, $lost:ident, $name:literal $(, borrow)?) => {
        $members.required($name)?
    };
    ($members:ident, $lost:ident, $name:literal $(, borrow)?, default) => {
        $members.optional(&[$name], $lost)
    };
    ($members:ident, $lost:ident, $name:literal, alias = $alias:literal, default) => {
        $members.optional(&[$name, $alias], $lost)
    };
}

pub(in crate::beacon) use {read_field, wire_object};

#[cfg(test)]
mod type_names {
    use super::WireType;

    impl<T: WireType> WireType for Option<T> {
        fn type_name() -> &'static str {
            T::type_name()
        }
    }

    impl<T: WireType> WireType for Box<T> {
        fn type_name() -> &'static str {
            T::type_name()
        }
    }

    impl<T> WireType for Vec<T> {
        fn type_name() -> &'static str {
            "list"
        }
    }

    impl WireType for f64 {
        fn type_name() -> &'static str {
            "number"
        }
    }

    impl WireType for bool {
        fn type_name() -> &'static str {
            "true or false"
        }
    }
}
