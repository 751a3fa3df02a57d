//! What travels in `data`: the request written, the answer read (gov-services §6.2: DESIGNED for the
//! simulator, in the dialect of the ministry's services, FOUND).
//!
//! *Guarantee*: reading binds by local name, not by order. Whether somebody is on record is read
//! from the flag; a text is only held against it, whole and exact, never searched («состоит» is
//! inside «не состоит», D9). Diagnoses and other additions are not read at all (D11). Elements that
//! decide something must not stand twice.

use uuid::Uuid;

use super::{failures::Cause, registers::Register};
use crate::transport::xml::{Element, Writer};

/// The interaction in the gateway's registry (DESIGNED).
pub(super) const SERVICE_ID: &str = "sim.mz.dispensaryStatus";
/// The start tag of `data`: the ministry's services type it (FOUND; the namespace is DESIGNED).
pub(super) const OPEN_DATA: &str = concat!(
    r#"<data xmlns:q1="urn:sim:mz:integra" "#,
    r#"xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="q1:IntegraRequest">"#
);
/// `Message` of a person that the ministry's register of persons does not hold (DESIGNED).
pub(super) const NOT_FOUND: &str = "ИИН не найден в РПН";

/// `StatusCode` (FOUND).
pub(super) const STATUS_OK: &str = "200";
pub(super) const STATUS_BAD_REQUEST: &str = "400";
pub(super) const STATUS_INTERNAL: &str = "500";
pub(super) const STATUS_NOT_IMPLEMENTED: &str = "501";

/// `RequestType` of this operation (DESIGNED).
const OPERATION: &str = "Sim_DispensaryStatus";
const REQUEST: &str = "Sim_DispensaryStatusRequest";
const RESPONSE: &str = "Sim_DispensaryStatusResponse";
/// `Errors/Error/Code` of a register that cannot be reached (DESIGNED).
const SOURCE_UNAVAILABLE: &str = "SIM-SOURCE-UNAVAILABLE";

/// The texts that are known: what each says of which register. The two of "not on record" are a
/// HINT from a real document, the others DESIGNED after them.
const TEXTS: [(&str, Register, bool); 8] = [
    ("Не состоит на учете в наркологической организации", Register::Narcology, false),
    ("Наркологиялық ұйымда диспансерлік есепте тұрмайды", Register::Narcology, false),
    ("Состоит на учете в наркологической организации", Register::Narcology, true),
    ("Наркологиялық ұйымда диспансерлік есепте тұрады", Register::Narcology, true),
    ("Не состоит на учете в психоневрологической организации", Register::Psychiatry, false),
    ("Психоневрологиялық ұйымда диспансерлік есепте тұрмайды", Register::Psychiatry, false),
    ("Состоит на учете в психоневрологической организации", Register::Psychiatry, true),
    ("Психоневрологиялық ұйымда диспансерлік есепте тұрады", Register::Psychiatry, true),
];

/// The head of an answer's payload, and what it holds.
#[derive(Clone, Copy)]
pub(super) struct Response<'d> {
    pub(super) operation: Option<&'d str>,
    pub(super) status: Option<&'d str>,
    pub(super) message: Option<&'d str>,
    pub(super) body: Option<Body<'d>>,
}

/// What an answer is about, and the lists of what the registers said.
#[derive(Clone, Copy)]
pub(super) struct Body<'d> {
    pub(super) request_id: Option<&'d str>,
    pub(super) iin: Option<&'d str>,
    accounts: Option<Element<'d>>,
    errors: Option<Element<'d>>,
}

/// What one register said.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// Whether the person is on record.
    OnRecord(bool),
    /// It did not answer.
    Unavailable,
}

impl Response<'_> {
    /// Whether the answer is one to this operation; an answer that does not say so is taken at its
    /// word for the rest.
    pub(super) fn is_ours(&self) -> bool {
        self.operation.is_none_or(|operation| operation == OPERATION)
    }
}

/// Writes the request in the order of the design. There is no `ConsentToken`: the portal records
/// the consent itself and holds no token of KDP.
pub(super) fn write(
    xml: &mut Writer,
    id: Uuid,
    iin: &str,
    registers: impl Iterator<Item = Register>,
) {
    let id = id.hyphenated();
    xml.leaf("RequestType", OPERATION).open(REQUEST);
    xml.leaf("RequestId", id.encode_lower(&mut Uuid::encode_buffer())).leaf("IIN", iin);
    xml.open("Registers");
    for register in registers {
        xml.leaf("string", spelt(register));
    }
    xml.close("Registers").close(REQUEST);
}

/// Reads the head of an answer.
pub(super) fn read(root: Element<'_>) -> Result<Response<'_>, Cause> {
    // A payload of one element is that element: a refusal holds nothing but its head.
    let (info, body) = if root.local() == "ResponseInfo" {
        (Some(root), None)
    } else {
        (root.only("ResponseInfo")?, root.only(RESPONSE)?)
    };
    let of = |local| match info {
        Some(info) => Ok::<_, Cause>(info.only(local)?.and_then(Element::value)),
        None => Ok(None),
    };
    Ok(Response {
        operation: of("RequestType")?,
        status: of("StatusCode")?,
        message: of("Message")?,
        body: body.map(Body::read).transpose()?,
    })
}

impl<'d> Body<'d> {
    fn read(body: Element<'d>) -> Result<Self, Cause> {
        Ok(Self {
            request_id: body.only("RequestId")?.and_then(Element::value),
            iin: body.only("IIN")?.and_then(Element::value),
            accounts: body.only("Accounts")?,
            errors: body.only("Errors")?,
        })
    }

    /// What each register said; one that said nothing is not among them.
    pub(super) fn words(self) -> Result<Vec<(Register, Word)>, Cause> {
        let mut words: Vec<(Register, Word)> = Vec::with_capacity(Register::ALL.len());
        for account in children(self.accounts, "Account") {
            let (register, on_record) = account_of(account)?;
            add(&mut words, register, Word::OnRecord(on_record))?;
        }
        for error in children(self.errors, "Error") {
            let register = register_of(error)?;
            let code = error.only("Code")?.and_then(Element::value).unwrap_or_default();
            if code != SOURCE_UNAVAILABLE {
                return Err(Cause::unknown_error(code));
            }
            add(&mut words, register, Word::Unavailable)?;
        }
        Ok(words)
    }
}

const fn spelt(register: Register) -> &'static str {
    match register {
        Register::Narcology => "NARCOLOGY",
        Register::Psychiatry => "PSYCHIATRY",
    }
}

fn children<'d>(
    list: Option<Element<'d>>,
    local: &'static str,
) -> impl Iterator<Item = Element<'d>> {
    let all = list.map(Element::children).into_iter().flatten();
    all.filter(move |child| child.local() == local)
}

fn add(words: &mut Vec<(Register, Word)>, register: Register, word: Word) -> Result<(), Cause> {
    match words.iter().find(|(one, _)| *one == register) {
        None => words.push((register, word)),
        // The same twice might be harmless; which of two to believe is not ours to guess.
        Some((_, earlier)) if *earlier == word => return Err(Cause::RegisterTwice),
        Some(_) => return Err(Cause::Contradiction),
    }
    Ok(())
}

fn register_of(holder: Element<'_>) -> Result<Register, Cause> {
    let name = holder.only("Register")?.and_then(Element::value);
    let known = Register::ALL.into_iter().find(|register| name == Some(spelt(*register)));
    known.ok_or(Cause::UnknownRegister)
}

fn account_of(account: Element<'_>) -> Result<(Register, bool), Cause> {
    let register = register_of(account)?;
    let on_record = match account.only("OnRecord")?.and_then(Element::value) {
        Some("true" | "1") => true,
        Some("false" | "0") => false,
        Some(_) | None => return Err(Cause::OnRecord),
    };
    for local in ["TextRu", "TextKz"] {
        let text = account.only(local)?.and_then(Element::value);
        let known = TEXTS.iter().find(|(known, ..)| text == Some(known));
        if known.is_some_and(|(_, about, says)| (*about, *says) != (register, on_record)) {
            return Err(Cause::Contradiction);
        }
    }
    Ok((register, on_record))
}
