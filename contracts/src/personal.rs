//! Personal data that cannot be printed by accident.
//!
//! *Guarantee*: a [`Personal`] value has no `Display` and no `Serialize`, and its `Debug` shows only
//! that something is there. The one way to the value is [`Personal::expose`], which a reviewer can
//! search for.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer};

/// A value about a person: a name, a date of birth, a document number.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Personal<T>(T);

impl<T> Personal<T> {
    /// Marks a value as personal.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: for the wire to a government system or the portal's table, nowhere else.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, when the wrapper is no longer needed.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Personal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Personal<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self)
    }
}

impl<T: JsonSchema> JsonSchema for Personal<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        let name = Personal::new("ТЕСТОВ".to_owned());
        assert_eq!(format!("{name:?} {:?}", Some(&name)), "[personal] Some([personal])");
    }
}
