//! What a lost answer means, by the effect of the operation (design §5).
//!
//! A *query* may be asked again: whatever was lost on the way is `Unreachable`. A *command* may
//! have been executed unless the request certainly did not leave, or the peer refused it before
//! executing it and said so: everything else is `Indeterminate`.
//!
//! The tables of fault codes here are those of the gateway (shep §1.5). A system whose service
//! gives a code another meaning has its own table in its `failures.rs`.

use contracts::{
    class::{Class, Failure},
    code,
};

use crate::transport::trouble::Trouble;

/// What a trouble means for a query.
///
/// 401 and 403 are `Denied`: our credential. A redirect, another 4xx, a page of HTML and an answer
/// past the limit are `Contract`: asking again does not mend them.
pub fn query(trouble: &Trouble, of_fault: fn(&str) -> Class) -> Failure {
    let class = match trouble {
        Trouble::NotSent
        | Trouble::TimedOut
        | Trouble::Cut
        | Trouble::Broken
        | Trouble::ServerError => Class::Unreachable,
        Trouble::Throttled | Trouble::ComeLater => Class::NotNow,
        Trouble::Unauthorized => Class::Denied,
        Trouble::TooLarge | Trouble::Redirect | Trouble::ClientError | Trouble::Unreadable => {
            Class::Contract
        }
        Trouble::Unwritable => Class::Defect,
        Trouble::Fault(code) => return fault(code.expose(), of_fault),
    };
    Failure::new(class, trouble.code())
}

/// What a trouble means for a command.
///
/// 401, 403 and 429 are refusals at the door. A 503 is not, even with `Retry-After`: a gateway in
/// front may have passed the request on before it gave up.
pub fn command(trouble: &Trouble, of_fault: fn(&str) -> Class) -> Failure {
    let class = match trouble {
        Trouble::NotSent => Class::Unreachable,
        Trouble::Throttled => Class::NotNow,
        Trouble::Unauthorized => Class::Denied,
        Trouble::TimedOut
        | Trouble::Cut
        | Trouble::TooLarge
        | Trouble::Broken
        | Trouble::ComeLater
        | Trouble::ServerError
        | Trouble::Redirect
        | Trouble::ClientError
        | Trouble::Unreadable => Class::Indeterminate,
        Trouble::Unwritable => Class::Defect,
        Trouble::Fault(code) => return fault(code.expose(), of_fault),
    };
    Failure::new(class, trouble.code())
}

/// The gateway's fault codes, for a query. `SCE004` ("no such service, or the service is off") is
/// `NotNow`: nothing was executed and a pause ends by itself. `SCE001` says that *our* message is
/// broken. `SCE909` is a provider's internal error, which a query may wait out. An unknown code is
/// `Contract`.
pub fn query_fault(code: &str) -> Class {
    match code {
        "SCE909" => Class::Unreachable,
        _ => refused_before_execution(code).unwrap_or(Class::Contract),
    }
}

/// The gateway's fault codes, for a command: only codes that are known to come before anything is
/// executed say so, exactly; any other leaves the outcome open.
pub fn command_fault(code: &str) -> Class {
    refused_before_execution(code).unwrap_or(Class::Indeterminate)
}

fn refused_before_execution(code: &str) -> Option<Class> {
    match code {
        "SIM-UNAVAILABLE" => Some(Class::Unreachable),
        "SCE001" => Some(Class::Defect),
        "SCE004" => Some(Class::NotNow),
        "SCE005" | "SCE006" | "SCE007" => Some(Class::Denied),
        _ => None,
    }
}

fn fault(code: &str, of_fault: fn(&str) -> Class) -> Failure {
    Failure::new(of_fault(code), code!("fault")).with_remote(code)
}

/// The tests of a system's table: `test_name: cause => Class "code";`, one test a row.
#[cfg(test)]
macro_rules! class_rows {
    ($failure:path; $($name:ident: $cause:expr => $class:ident $code:literal;)+) => {
        $(#[test]
        fn $name() {
            let failure = $failure(&$cause);
            assert_eq!((failure.class, failure.code.name()), (Class::$class, $code));
        })+
    };
}
#[cfg(test)]
pub(crate) use class_rows;

#[cfg(test)]
mod tests;
