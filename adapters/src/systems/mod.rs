//! All government systems. Adding one is a folder here and its name below, twice.

use crate::system::System;

pub mod eqyzmet;
pub mod gbdfl;
pub mod gbdul;
pub mod kazpost;
pub mod kpsisu;
pub mod mgov;
pub mod mzrk;
pub mod realestate;

/// Every system, in the order of the list.
pub fn all() -> Vec<Box<dyn System>> {
    vec![
        Box::new(eqyzmet::Eqyzmet),
        Box::new(gbdfl::Gbdfl),
        Box::new(gbdul::Gbdul),
        Box::new(kazpost::Kazpost),
        Box::new(kpsisu::Kpsisu),
        Box::new(mgov::Mgov),
        Box::new(realestate::Realestate),
        Box::new(mzrk::Mzrk),
    ]
}
