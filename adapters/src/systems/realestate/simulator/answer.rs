//! The texts of the register, and how each behaviour spoils them (gov-services §4.3).

use super::{
    Act, Chance, NAMESPACE, SYSTEM,
    objects::{self, Burden, Claim, PRIVATE, Thing, Word},
};
use crate::simulation::{
    Simulation,
    envelope::{self, Form, Payload, Soap, date_time},
    template::escape,
};

/// What the register reads from a request.
pub(super) struct Asked {
    /// `requestInfo/messageId`: the same at every attempt of a job.
    pub(super) envelope_id: String,
    /// `SystemInfo/RequestNumber`.
    pub(super) number: String,
    /// IIN or BIN.
    pub(super) owner: String,
    pub(super) actual_only: bool,
}

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const TOO_MANY: u64 = 1_001;

/// Writes one answer.
pub(super) fn write(
    simulation: &Simulation,
    act: Act,
    asked: &Asked,
    chance: &mut Chance,
) -> Vec<u8> {
    let drawn = Form::draw(chance);
    // Escaped, so many objects would meet another limit first: that of the body.
    let form = if act == Act::TooMany { Form::Canonical } else { drawn };
    let now = date_time(simulation.now());
    let known = simulation.chance(&[SYSTEM, "objects", &asked.owner]);
    let things = told(act, asked, objects::of(&asked.owner, known));
    let other = chance.uuid().to_string();
    let number = if act == Act::WrongRequestNumber { &other } else { &asked.number };
    let document = document(act, form, number, &now, &things);
    let (code, message) = if act == Act::StatusNotFound {
        ("SCSE001", "Failed to process message")
    } else if act == Act::UnknownStatus {
        ("SIM-7777", "unknown")
    } else {
        ("SCSS001", "Message has been processed successfully")
    };
    let inner = format!(
        "<responseInfo><messageId>{}</messageId><responseDate>{now}</responseDate><status><code>\
         {code}</code><message>{message}</message></status><sessionId>{{{}}}</sessionId>\
         </responseInfo><responseData>{}</responseData>",
        chance.uuid(),
        chance.uuid(),
        data(act, form, &document)
    );
    let soap = Soap {
        header: "",
        body_attributes: "",
        namespace: envelope::SYNC,
        wrapper: "SendMessageResponse",
        child: "response",
        inner: &inner,
    };
    if act == Act::Doctype {
        let entity = "<!DOCTYPE a [<!ENTITY x \"x\"><!ENTITY y \"&x;&x;&x;&x;&x;&x;\">]>";
        return format!("{entity}{}", soap.text(Form::Canonical)).into_bytes();
    }
    soap.text(form).into_bytes()
}

fn data(act: Act, form: Form, document: &str) -> String {
    if act == Act::StatusNotFound {
        return String::new();
    }
    if act == Act::BrokenText {
        return "<data>&lt;Objects&gt;&lt;ObjectInfo&gt;&lt;/Objects&gt;</data>".to_owned();
    }
    let type_attributes =
        format!(" xmlns:t=\"{NAMESPACE}\" xmlns:xsi=\"{XSI}\" xsi:type=\"t:Response\"");
    let payload = Payload { elements: document, document, type_attributes: &type_attributes };
    payload.data(form)
}

/// The objects as this behaviour tells them.
fn told(act: Act, asked: &Asked, mut things: Vec<Thing>) -> Vec<Thing> {
    let owner = asked.owner.as_str();
    if !asked.actual_only {
        things.push(objects::former(owner));
    }
    if matches!(
        act,
        Act::NoProperty | Act::ApplicationCreated | Act::NotApproved | Act::UnknownResult
    ) {
        return Vec::new();
    }
    if act == Act::TooMany {
        let lean = |nth| Thing { address: None, ..objects::plain(owner, nth) };
        return (0..TOO_MANY).map(lean).collect();
    }
    // Whoever has nothing would not notice that something is spoilt.
    if things.is_empty() && !matches!(act, Act::Registered | Act::Slow | Act::Silent) {
        things.push(objects::plain(owner, 1));
    }
    if let Some(first) = things.first_mut() {
        spoil(act, first);
    }
    let more = match (act, things.first()) {
        (Act::Doubled, first) => first.cloned(),
        (Act::Clashing, Some(first)) => {
            Some(Thing { id: first.id.clone(), ..objects::plain(owner, 77) })
        }
        (Act::OtherOwner, _) => Some(objects::plain(objects::another(owner), 79)),
        (_, _) => None,
    };
    things.extend(more);
    things
}

fn spoil(act: Act, thing: &mut Thing) {
    if act == Act::ShortRka {
        let address = thing.address.get_or_insert_with(|| objects::address(78, "д. 7", "7 үй"));
        address.rka.pop();
    } else if act == Act::CommaArea {
        thing.area = String::from("54,3");
    } else if act == Act::NoAddress {
        thing.address = None;
    } else if act == Act::NoId {
        thing.id = None;
    } else if act == Act::BrokenDate {
        thing.rights[0].on = "12.04.2018";
    } else if act == Act::RightWithoutOwner {
        let nobody = Claim { owner: None, ..thing.rights[0].clone() };
        thing.rights.push(nobody);
    }
}

/// The payload: `Response` with its namespace, everything below without.
fn document(act: Act, form: Form, number: &str, now: &str, things: &[Thing]) -> String {
    let is_foreign = act == Act::Untidy || form == Form::ForeignPrefixes;
    let prefix = if is_foreign { "egkn" } else { "ns3" };
    let number = escape(number);
    let system = if matches!(act, Act::NoProperty | Act::NoRequestNumber) {
        String::new()
    } else {
        format!(
            "<SystemInfo><RequestNumber>{number}</RequestNumber><ChainId>{number}</ChainId>\
             <RequestDate>{now}</RequestDate></SystemInfo>"
        )
    };
    let result = result(act, things.is_empty());
    let list = list(act, things);
    let business =
        if act == Act::Untidy { format!("{list}{result}") } else { format!("{result}{list}") };
    format!(
        "<{prefix}:Response xmlns:{prefix}=\"{NAMESPACE}\">{system}<BusinessData>{business}\
         </BusinessData></{prefix}:Response>"
    )
}

fn result(act: Act, is_empty: bool) -> String {
    let (code, ru, kz) = if act == Act::ApplicationCreated {
        ("001", "Заявка создана", "Өтінім құрылды")
    } else if act == Act::NotApproved {
        ("40", "Акт не утверждён", "Акт бекітілмеген")
    } else if act == Act::UnknownResult {
        ("SIM-4242", "?", "?")
    } else if is_empty {
        ("310", "Недвижимое имущество не зарегистрировано", "Жылжымайтын мүлік тіркелмеген")
    } else {
        ("310", "Успешно выполнено", "Сәтті орындалды")
    };
    format!(
        "<Result><ResultCode>{code}</ResultCode><ResultMessageRu>{ru}</ResultMessageRu>\
         <ResultMessageKz>{kz}</ResultMessageKz></Result>"
    )
}

fn list(act: Act, things: &[Thing]) -> String {
    if act == Act::NoObjects {
        return String::new();
    }
    if act == Act::NilObjects {
        return format!("<Objects xmlns:xsi=\"{XSI}\" xsi:nil=\"true\"/>");
    }
    if act == Act::ForeignObjects {
        return "<Objects><EstateInfo><Id>1</Id></EstateInfo></Objects>".to_owned();
    }
    if things.is_empty() {
        return "<Objects/>".to_owned();
    }
    let objects: String = things.iter().map(|thing| object(act, thing)).collect();
    format!("<Objects>{objects}</Objects>")
}

fn object(act: Act, thing: &Thing) -> String {
    let mut parts = Vec::new();
    if let Some(id) = &thing.id {
        parts.push(format!("<Id>{id}</Id>"));
    }
    parts.push(format!("<EstateObjectTypeCode>{}</EstateObjectTypeCode>", thing.kind));
    parts.push(format!("<CadastrNum>{}</CadastrNum>", thing.cadastre));
    parts.push(format!("<Area>{}</Area>", thing.area));
    parts.push(word(act, "Measure", thing.measure));
    if let Some(address) = &thing.address {
        parts.push(format!(
            "<AddressData><Ate><AteCode>999901</AteCode><NameRu>Тест</NameRu><NameKz>Тест</NameKz>\
             </Ate><AddressCode>{}</AddressCode><AddressNameRu>{}</AddressNameRu><AddressNameKz>{}\
             </AddressNameKz></AddressData>",
            address.rka, address.ru, address.kz
        ));
    }
    parts.extend(thing.rights.iter().map(|claim| right(act, claim)));
    parts.extend(thing.burdens.iter().map(|one| burden(act, one)));
    if act == Act::Untidy {
        parts.push("<FuncUse/><LandCategory>-</LandCategory><Razdel3/>".to_owned());
        parts.reverse();
    }
    format!("<ObjectInfo>{}</ObjectInfo>", parts.concat())
}

fn right(act: Act, claim: &Claim) -> String {
    let owner = claim.owner.as_deref().map(|number| {
        let is_person = number.as_bytes()[4] < b'4';
        let name = if is_person { "ТЕСТОВ ТЕСТ" } else { "ТОО ТЕСТ" };
        format!(
            "<Owner><IINBIN>{number}</IINBIN><NameRus>{name}</NameRus><IsFl>{is_person}</IsFl>\
             </Owner>"
        )
    });
    let share = claim.share.map(|share| format!("<Share>{share}</Share>"));
    format!(
        "<Razdel2><RegDate>{}</RegDate>{}{}{}{}{}</Razdel2>",
        claim.on,
        owner.unwrap_or_default(),
        word(act, "RightType", claim.right),
        word(act, "OwnershipForm", PRIVATE),
        word(act, "GenOwnershipForm", claim.general),
        share.unwrap_or_default()
    )
}

fn burden(act: Act, burden: &Burden) -> String {
    let holder = match burden.holder {
        Some(bin) => {
            format!("<IINBIN>{bin}</IINBIN><NameRus>БАНК ТЕСТ</NameRus><IsFl>false</IsFl>")
        }
        None => "<NameRus>ЧСИ ТЕСТ</NameRus><IsFl>true</IsFl>".to_owned(),
    };
    format!(
        "<Razdel3><RegDate>{}</RegDate><InterestedPerson>{holder}</InterestedPerson>{}</Razdel3>",
        burden.on,
        word(act, "BurdenType", burden.kind)
    )
}

/// Same system, two spellings (gov-services §4.1).
fn word(act: Act, name: &str, (code, ru, kz): Word) -> String {
    let is_other = act == Act::OtherSpelling;
    let (a, b, c) =
        if is_other { ("code", "nameRu", "nameKz") } else { ("ID", "NameRus", "NameKaz") };
    format!("<{name}><{a}>{code}</{a}><{b}>{ru}</{b}><{c}>{kz}</{c}></{name}>")
}
