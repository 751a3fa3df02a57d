//! `hub check-config`: reads the settings and reports every fault in them; opens no connection.

use std::path::Path;

use super::{DONE, WRONG_USE, complain, load, say};
use crate::pipeline::Hub;

pub(super) fn run(path: Option<&Path>) -> u8 {
    let config = match load(path) {
        Ok(config) => config,
        Err(code) => return code,
    };
    if let Err(missing) = config.calendar.check(crate::clock::real_now()) {
        complain(&missing);
        return WRONG_USE;
    }
    let systems: Vec<_> = config.systems.keys().copied().collect();
    match Hub::build(config) {
        Ok(_) => {
            say(&format!("the settings are good; systems: {}", systems.join(", ")));
            DONE
        }
        Err(error) => {
            complain(&error);
            WRONG_USE
        }
    }
}
