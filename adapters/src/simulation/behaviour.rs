//! How one request can be treated: a closed set of names in each system.

use std::sync::Arc;

use jiff::Timestamp;

use super::{chance::Chance, wsdl::Speaks};

/// The behaviours of one system.
pub trait Behaviour: Copy + 'static {
    /// All of them: name and what happens.
    const LISTED: &'static [(&'static str, &'static str)];
    /// Those that a random transport fault may be.
    const FAULTS: &'static [Self];
    /// What people who are not listed meet: weights in a thousand. They add up to 1000.
    const OTHERS: &'static [(u16, Self)];

    /// Finds one by its name.
    fn parse(name: &str) -> Option<Self>;

    /// What a synthetic person of gov-services §9.4 meets.
    fn of_synthetic(iin: &str) -> Option<Self>;
}

/// What was chosen for one request, and the generator for the rest of it.
pub struct Choice<B> {
    /// The behaviour.
    pub behaviour: B,
    /// Further numbers of this request.
    pub chance: Chance,
}

/// What one system pushes by order: hostile pushes, and conversations that it begins.
pub trait Forge: Send + Sync {
    /// Kinds: name and what is wrong with it.
    fn kinds(&self) -> &'static [(&'static str, &'static str)];

    /// Writes one. `Err` says what is missing and what to do.
    fn forge(&self, kind: &str) -> Result<Vec<u8>, &'static str>;

    /// Conversations that the system begins by itself: name and what happens.
    fn conversations(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// Begins one of them when business time reaches `due`. Returns the system's key of it.
    fn begin(&self, _kind: &str, _organisation: Option<&str>, _due: Timestamp) -> String {
        String::new()
    }
}

/// What the control API knows about a system.
pub struct Profile {
    /// Its name.
    pub system: &'static str,
    /// Behaviours: name and what happens.
    pub behaviours: &'static [(&'static str, &'static str)],
    /// Hostile pushes, where the system pushes at all.
    pub forge: Option<Arc<dyn Forge>>,
    /// Its SOAP services, for its WSDL; none where it has no path of its own.
    pub speaks: &'static [Speaks],
}

/// Declares a closed set of behaviours: variant, name, what happens.
macro_rules! behaviours {
    ($(#[$meta:meta])* $set:ident { $($variant:ident = $name:literal: $what:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $set {
            $(#[doc = $what] $variant,)+
        }

        impl $set {
            const ALL: &'static [(&'static str, &'static str)] = &[$(($name, $what),)+];

            /// The name in the journal and the control API.
            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use behaviours;
