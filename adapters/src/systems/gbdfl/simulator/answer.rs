//! The texts of GBD FL, prepared once in every form (gov-services §2.4).

use jiff::Timestamp;

use super::Chance;
use crate::simulation::{
    envelope::{self, Form, Payload, Soap},
    template::Template,
};

/// What the registry reads from a request.
pub(super) struct Asked {
    /// `requestInfo/messageId`: the same at every attempt of a job.
    pub(super) envelope_id: String,
    /// `data/messageId`: comes back as `requestId`.
    pub(super) request_id: String,
    /// `data/senderCode`.
    pub(super) receiver: String,
    /// The person.
    pub(super) iin: String,
}

/// Which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Found,
    Untidy,
    NotFound,
    NotFoundB,
    Deceased,
    Excluded,
    WrongPerson,
    WrongRequestId,
    NoPerson,
    NoIin,
    EmptyBirthDate,
    UnknownResult,
    UnknownStatus,
    UnknownLifeStatus,
    Torn,
    Doctype,
}

const TEXTS: [Text; 16] = [
    Text::Found,
    Text::Untidy,
    Text::NotFound,
    Text::NotFoundB,
    Text::Deceased,
    Text::Excluded,
    Text::WrongPerson,
    Text::WrongRequestId,
    Text::NoPerson,
    Text::NoIin,
    Text::EmptyBirthDate,
    Text::UnknownResult,
    Text::UnknownStatus,
    Text::UnknownLifeStatus,
    Text::Torn,
    Text::Doctype,
];

const SLOTS: [&str; 15] = [
    "envelope", "session", "date", "message", "request", "receiver", "iin", "surname", "name",
    "birth", "sex", "sex_ru", "sex_kz", "nation", "document",
];

/// All texts in all forms.
pub(super) struct Answers(Vec<[Template; Form::ALL.len()]>);

impl Answers {
    /// Prepares them.
    pub(super) fn new() -> Self {
        let in_forms = |text: Text| Form::ALL.map(|form| Template::new(&whole(text, form), &SLOTS));
        Self(TEXTS.into_iter().map(in_forms).collect())
    }

    /// Writes one answer.
    pub(super) fn write(
        &self,
        text: Text,
        form: Form,
        asked: &Asked,
        now: Timestamp,
        chance: &mut Chance,
    ) -> Vec<u8> {
        let iin = if text == Text::WrongPerson { another(&asked.iin) } else { &asked.iin };
        let stranger = text == Text::WrongRequestId;
        let request = if stranger { chance.uuid().to_string() } else { asked.request_id.clone() };
        let person = Person::of(iin);
        let (date, session) = (envelope::date_time(now), format!("{{{}}}", chance.uuid()));
        let (envelope_id, message) = (chance.uuid().to_string(), chance.uuid().to_string());
        self.0[text as usize][form.index()].fill(&[
            &envelope_id,
            &session,
            &date,
            &message,
            &request,
            &asked.receiver,
            iin,
            person.surname,
            person.name,
            &person.birth,
            person.sex.0,
            person.sex.1,
            person.sex.2,
            person.sex.3,
            &person.document,
        ])
    }
}

/// Invented from the digits, so that one person always looks the same.
pub(super) struct Person {
    pub(super) surname: &'static str,
    pub(super) name: &'static str,
    pub(super) birth: String,
    /// Gender: code, Russian, Kazakh; then the nationality, which inflects.
    sex: (&'static str, &'static str, &'static str, &'static str),
    document: String,
}

impl Person {
    pub(super) fn of(iin: &str) -> Self {
        let digit = |index: usize| usize::from(iin.as_bytes()[index].saturating_sub(b'0'));
        let serial: usize = iin[7..11].parse().unwrap_or(0);
        let female = digit(6).is_multiple_of(2);
        let century = match digit(6) {
            1 | 2 => 18,
            5 | 6 => 20,
            _ => 19,
        };
        let month = (digit(2) * 10 + digit(3)).clamp(1, 12);
        let birth = format!("{century}{}-{month:02}-{:02}", &iin[..2], (serial + 13) % 28 + 1);
        let surnames = if female {
            ["ТЕСТОВА", "ПРИМЕРОВА", "ОБРАЗЦОВА", "ҮЛГІЛІ"]
        } else {
            ["ТЕСТОВ", "ПРИМЕРОВ", "ОБРАЗЦОВ", "ҮЛГІЛІ"]
        };
        let names =
            if female { ["ТЕСТА", "ПРОБА"] } else { ["ТЕСТ", "ОБРАЗЕЦ"] };
        let sex = if female {
            ("2", "Женский", "Әйел", "КАЗАШКА")
        } else {
            ("1", "Мужской", "Ер", "КАЗАХ")
        };
        let document = format!("0{:08}", serial * 10 + digit(11));
        let (surname, name) = (surnames[(serial + 3) % 4], names[(serial + 1) % 2]);
        Self { surname, name, birth, sex, document }
    }
}

fn another(iin: &str) -> &'static str {
    if iin == "850100300012" { "920300400029" } else { "850100300012" }
}

fn whole(text: Text, form: Form) -> String {
    let status = match text {
        Text::NotFoundB => ("SCSE001", "Failed to process message"),
        Text::UnknownStatus => ("SIM-7777", "unknown"),
        Text::Found
        | Text::Untidy
        | Text::NotFound
        | Text::Deceased
        | Text::Excluded
        | Text::WrongPerson
        | Text::WrongRequestId
        | Text::NoPerson
        | Text::NoIin
        | Text::EmptyBirthDate
        | Text::UnknownResult
        | Text::UnknownLifeStatus
        | Text::Torn
        | Text::Doctype => ("SCSS001", "Message has been processed successfully"),
    };
    let elements = elements(text);
    let document = format!("<cs:Response xmlns:cs=\"{MESSAGE}\">{elements}</cs:Response>");
    let payload = Payload {
        elements: &elements,
        document: &document,
        type_attributes: &format!(
            " xmlns:cs=\"{MESSAGE}\" xmlns:xsi=\"{XSI}\" xsi:type=\"cs:Response\""
        ),
    };
    let data = match text {
        Text::NotFoundB => String::new(),
        Text::Torn => "<data>&lt;persons&gt;&lt;person&gt;&lt;/persons&gt;</data>".to_owned(),
        Text::Found
        | Text::Untidy
        | Text::NotFound
        | Text::Deceased
        | Text::Excluded
        | Text::WrongPerson
        | Text::WrongRequestId
        | Text::NoPerson
        | Text::NoIin
        | Text::EmptyBirthDate
        | Text::UnknownResult
        | Text::UnknownStatus
        | Text::UnknownLifeStatus
        | Text::Doctype => payload.data(form),
    };
    let inner = format!(
        "<responseInfo><messageId>{{{{envelope}}}}</messageId>\
         <responseDate>{{{{date}}}}</responseDate><status><code>{}</code><message>{}</message>\
         </status><sessionId>{{{{session}}}}</sessionId></responseInfo>\
         <responseData>{data}</responseData>",
        status.0, status.1
    );
    let soap = Soap {
        header: "",
        body_attributes: "",
        namespace: envelope::SYNC,
        wrapper: "SendMessageResponse",
        child: "response",
        inner: &inner,
    };
    if text == Text::Doctype {
        let entity = "<!DOCTYPE a [<!ENTITY x \"x\"><!ENTITY y \"&x;&x;&x;&x;&x;&x;&x;&x;\">]>";
        return format!("{entity}{}", soap.text(Form::Canonical));
    }
    soap.text(form)
}

const MESSAGE: &str = "http://message.persistence.interactive.nat";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

fn elements(text: Text) -> String {
    let result = match text {
        Text::NotFound => NOT_FOUND,
        Text::UnknownResult => "<code>SIM-4242</code><nameRu>?</nameRu><nameKz>?</nameKz>",
        Text::Found
        | Text::Untidy
        | Text::NotFoundB
        | Text::Deceased
        | Text::Excluded
        | Text::WrongPerson
        | Text::WrongRequestId
        | Text::NoPerson
        | Text::NoIin
        | Text::EmptyBirthDate
        | Text::UnknownStatus
        | Text::UnknownLifeStatus
        | Text::Torn
        | Text::Doctype => PROCESSED,
    };
    let persons = match text {
        Text::NotFound | Text::NotFoundB => String::new(),
        Text::NoPerson => "<persons/>".to_owned(),
        Text::Found
        | Text::Untidy
        | Text::Deceased
        | Text::Excluded
        | Text::WrongPerson
        | Text::WrongRequestId
        | Text::NoIin
        | Text::EmptyBirthDate
        | Text::UnknownResult
        | Text::UnknownStatus
        | Text::UnknownLifeStatus
        | Text::Torn
        | Text::Doctype => {
            format!("<persons><person>{}</person></persons>", person(text))
        }
    };
    format!("{HEAD}<messageResult>{result}</messageResult>{persons}")
}

/// One person: the text of the found one, with what this text changes.
fn person(text: Text) -> String {
    match text {
        Text::Untidy => PERSON
            .replace("<patronymic>ТЕСТОВИЧ</patronymic>", "<patronymic/>")
            .replace("</birthDate><gender>", "</birthDate><deathDate/><gender>")
            .replace("<building>1</building><flat>2</flat>", "<building>1</building><flat/>")
            .replace("{{districts}}", SWAPPED)
            .replace("<documents>", &format!("<documents>{CARD}")),
        Text::Deceased => PERSON
            .replace("</birthDate><gender>", DIED)
            .replace(ALIVE, DEAD)
            .replace("<birthPlace>", &format!("{DEATH_CERTIFICATE}<birthPlace>")),
        Text::Excluded => PERSON
            .replace("<documents>", &format!("{EXCLUDED}<documents>"))
            .replace("<removed>false", "<removed>true"),
        Text::NoIin => PERSON.replace("<iin>{{iin}}</iin>", ""),
        Text::EmptyBirthDate => PERSON.replacen(BORN, "<birthDate/>", 1),
        Text::UnknownLifeStatus => PERSON.replace(ALIVE, UNKNOWN_LIFE),
        Text::Found
        | Text::NotFound
        | Text::NotFoundB
        | Text::WrongPerson
        | Text::WrongRequestId
        | Text::NoPerson
        | Text::UnknownResult
        | Text::UnknownStatus
        | Text::Torn
        | Text::Doctype => PERSON.to_owned(),
    }
    .replace("{{districts}}", DISTRICTS)
    .replace("{{cards}}", CARD)
}

const HEAD: &str = "<messageId>{{message}}</messageId><messageDate>{{date}}</messageDate>\
    <requestId>{{request}}</requestId>\
    <sender><code>GBDFL</code><nameRu>ГБД Физические лица</nameRu>\
    <nameKz>\"Жеке тұлғалар\" МДҚ</nameKz></sender>\
    <receiver><code>{{receiver}}</code><nameRu>Тестовая система</nameRu>\
    <nameKz>Тест жүйесі</nameKz></receiver>";

const PROCESSED: &str = "<code>00000</code><nameRu>Сообщение успешно обработано</nameRu>\
    <nameKz>Хабарлама сәтті өңделді</nameKz>\
    <changeDate xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"/>";

const NOT_FOUND: &str = "<code>SIM-NOT-FOUND</code><nameRu>Физическое лицо не найдено</nameRu>\
    <nameKz>Жеке тұлға табылмады</nameKz>";

const ALIVE: &str = "<lifeStatus><code>0</code><nameRu>Нормальный</nameRu>\
    <nameKz>Қалыпты</nameKz></lifeStatus>";

const DEAD: &str = "<lifeStatus><code>3</code><nameRu>Умерший</nameRu>\
    <nameKz>Қайтыс болған</nameKz></lifeStatus>";

const UNKNOWN_LIFE: &str = "<lifeStatus><code>SIM-9</code><nameRu>?</nameRu>\
    <nameKz>?</nameKz></lifeStatus>";

const BORN: &str = "<birthDate>{{birth}}</birthDate>";

const DIED: &str = "</birthDate><deathDate>2021-09-13</deathDate><gender>";

const DEATH_CERTIFICATE: &str = "<deathCertificate><number>SIM-000001</number>\
    <beginDate>2021-09-14</beginDate></deathCertificate>";

const EXCLUDED: &str = "<excludeStatus><excludeReason><code>SIM-1</code>\
    <nameRu>ИИН исключён</nameRu><nameKz>ЖСН алынып тасталды</nameKz></excludeReason>\
    <excludeReasonDate>2015-04-01</excludeReasonDate><excludeDate>2015-04-02</excludeDate>\
    </excludeStatus>";

/// `district` is the oblast (4 digits), `region` the raion (7 digits).
const DISTRICTS: &str = "<district><code>9901</code><nameRu>ТЕСТОВАЯ ОБЛАСТЬ</nameRu>\
    <nameKz>ТЕСТ ОБЛЫСЫ</nameKz></district><region><code>9901401</code>\
    <nameRu>ТЕСТОВЫЙ РАЙОН</nameRu><nameKz>ТЕСТ АУДАНЫ</nameKz></region>";

/// The other way round, as one live source has it (gov-services §2.2).
const SWAPPED: &str = "<region><code>9901</code><nameRu>ТЕСТОВАЯ ОБЛАСТЬ</nameRu>\
    <nameKz>ТЕСТ ОБЛЫСЫ</nameKz></region><district><code>9901401</code>\
    <nameRu>ТЕСТОВЫЙ РАЙОН</nameRu><nameKz>ТЕСТ АУДАНЫ</nameKz></district>";

const CARD: &str = "<document><type><code>002</code><nameRu>УДОСТОВЕРЕНИЕ РК</nameRu>\
    <nameKz>ҚР ЖЕКЕ КУӘЛІГІ</nameKz></type><number>{{document}}</number>\
    <beginDate>2021-03-18</beginDate><endDate>2031-03-17</endDate>\
    <issueOrganization><code>002</code><nameRu>МИНИСТЕРСТВО ВНУТРЕННИХ ДЕЛ РК</nameRu>\
    <nameKz>ҚР ІШКІ ІСТЕР МИНИСТРЛІГІ</nameKz></issueOrganization>\
    <status><code>00</code><nameRu>ДОКУМЕНТ ДЕЙСТВИТЕЛЕН</nameRu>\
    <nameKz>ҚҰЖАТ ЖАРАМДЫ</nameKz></status><surname>{{surname}}</surname>\
    <name>{{name}}</name><patronymic>ТЕСТОВИЧ</patronymic><birthDate>{{birth}}</birthDate>\
    </document>";

const PERSON: &str = "<iin>{{iin}}</iin><surname>{{surname}}</surname><name>{{name}}</name>\
    <patronymic>ТЕСТОВИЧ</patronymic><engFirstName>TEST</engFirstName>\
    <engSurname>TESTOV</engSurname><birthDate>{{birth}}</birthDate><gender>\
    <code>{{sex}}</code><nameRu>{{sex_ru}}</nameRu><nameKz>{{sex_kz}}</nameKz>\
    <changeDate>2013-09-19T09:44:33+06:00</changeDate></gender>\
    <nationality><code>005</code><nameRu>{{nation}}</nameRu><nameKz>ҚАЗАҚ</nameKz></nationality>\
    <citizenship><code>398</code><nameRu>КАЗАХСТАН</nameRu><nameKz>ҚАЗАҚСТАН</nameKz>\
    </citizenship><lifeStatus><code>0</code><nameRu>Нормальный</nameRu>\
    <nameKz>Қалыпты</nameKz></lifeStatus><birthPlace>\
    <country><code>398</code><nameRu>КАЗАХСТАН</nameRu><nameKz>ҚАЗАҚСТАН</nameKz></country>\
    {{districts}}<city>-</city></birthPlace><regAddress>\
    <country><code>398</code><nameRu>КАЗАХСТАН</nameRu><nameKz>ҚАЗАҚСТАН</nameKz></country>\
    {{districts}}<city>-</city><street>УЛИЦА Тестовая</street><building>1</building><flat>2</flat>\
    <beginDate>2014-05-19</beginDate>\
    <status><code>1</code><nameRu>Зарегистрирован</nameRu><nameKz>Тіркелді</nameKz></status>\
    <invalidity><code>0</code><nameRu>Зарегистрирован</nameRu><nameKz>Тіркелді</nameKz>\
    </invalidity><arCode>9999300000000001</arCode></regAddress><documents>{{cards}}\
    <document><type><code>001</code><nameRu>ПАСПОРТ РК</nameRu><nameKz>ҚР ПАСПОРТЫ</nameKz></type>\
    <number>N{{document}}</number><beginDate>2011-03-18</beginDate>\
    <endDate>2021-03-17</endDate><issueOrganization><code>002</code>\
    <nameRu>МИНИСТЕРСТВО ВНУТРЕННИХ ДЕЛ РК</nameRu><nameKz>ҚР ІШКІ ІСТЕР МИНИСТРЛІГІ</nameKz>\
    </issueOrganization><status><code>17</code><nameRu>ВЫПУСК НОВОГО ДОКУМЕНТА</nameRu>\
    <nameKz>ЖАҢА ҚҰЖАТТЫҢ ШЫҒАРЫЛУЫ</nameKz></status><invalidityDate>2021-03-18</invalidityDate>\
    <surname>{{surname}}</surname><name>{{name}}</name><patronymic>ТЕСТОВИЧ</patronymic>\
    <birthDate>{{birth}}</birthDate></document></documents><removed>false</removed>";
