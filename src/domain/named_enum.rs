//! Enums whose variants have names in the API and in the database.

macro_rules! named_enum {
    ($(#[$doc:meta])* pub enum $Type:ident { $($(#[$variant_doc:meta])* $Variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $Type {
            $($(#[$variant_doc])* $Variant,)+
        }

        impl $Type {
            /// In the order of declaration.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$Variant),+];

            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|known| known.name() == name)
            }

            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$Variant => $name,)+
                }
            }
        }
    };
}

pub(crate) use named_enum;

#[cfg(test)]
mod tests {
    use crate::domain::{caller::Scope, deploy::State, durations::By, event::Kind, record::Phase};

    #[test]
    fn every_variant_is_found_by_its_name() {
        assert!(Phase::ALL.into_iter().all(|phase| Phase::named(phase.name()) == Some(phase)));
        assert!(State::ALL.into_iter().all(|state| State::named(state.name()) == Some(state)));
        assert!(By::ALL.into_iter().all(|by| By::named(by.name()) == Some(by)));
        assert!(Kind::ALL.into_iter().all(|kind| Kind::named(kind.name()) == Some(kind)));
        assert!(Scope::ALL.into_iter().all(|scope| Scope::named(scope.name()) == Some(scope)));
        assert_eq!(Phase::named("Started"), None);
    }
}
