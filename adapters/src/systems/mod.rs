//! All government systems. Adding one is a folder here and one line below.

use crate::system::System;

macro_rules! systems {
    ($($name:ident::$system:ident),+ $(,)?) => {
        $(pub mod $name;)+

        /// Every system, in the order of the list.
        pub fn all() -> Vec<Box<dyn System>> {
            vec![$(Box::new($name::$system)),+]
        }
    };
}

systems! {
    eqyzmet::Eqyzmet,
    gbdfl::Gbdfl,
    gbdul::Gbdul,
    kazpost::Kazpost,
    kpsisu::Kpsisu,
    mgov::Mgov,
    realestate::Realestate,
    mzrk::Mzrk,
}
