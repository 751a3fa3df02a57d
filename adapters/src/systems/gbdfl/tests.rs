use contracts::{number::Iin, schema::Checker};
use jiff::civil::{Date, date};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    failures::Cause,
    person::{Input, Question, judge},
    wire,
};
use crate::{
    attempt::Answer,
    transport::{
        shep_sync,
        xml::{self, Writer},
    },
};

const IIN: &str = "850100300012";
const ID: &str = "3f0c2a52-6f0e-4d0e-9a7b-000000000001";
const TODAY: Date = date(2026, 11, 22);

const HEAD: &str = "<messageId>3f0c2a52-6f0e-4d0e-9a7b-000000000002</messageId>\
    <messageDate>2025-02-03T10:15:31.120+05:00</messageDate>\
    <requestId>3f0c2a52-6f0e-4d0e-9a7b-000000000001</requestId>";
const FOUND: &str = "<messageResult><code>00000</code><nameRu>Сообщение успешно обработано</nameRu>\
    <changeDate xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"/>\
    </messageResult>";
const NOT_FOUND: &str = "<messageResult><code>SIM-NOT-FOUND</code></messageResult>";
const PERSON: &str = "<iin>850100300012</iin><surname>ТЕСТОВ</surname><name>ТЕСТ</name>\
    <patronymic>-</patronymic><birthDate>1985-01-15+06:00</birthDate><deathDate/>\
    <gender><code>1</code><nameRu>Мужской</nameRu><nameKz>Ер</nameKz></gender>\
    <nationality><code>005</code><nameRu>КАЗАХ</nameRu><nameKz>ҚАЗАҚ</nameKz></nationality>\
    <citizenship><code>398</code><nameRu>КАЗАХСТАН</nameRu></citizenship>\
    <lifeStatus><code>0</code><nameRu>Нормальный</nameRu></lifeStatus>\
    <regAddress><district><code>9901</code><nameRu>ТЕСТОВАЯ ОБЛАСТЬ</nameRu></district>\
    <region><code>9901401</code><nameRu>ТЕСТОВЫЙ РАЙОН</nameRu></region><city>-</city>\
    <street>УЛИЦА Тестовая</street><building>1</building><flat></flat>\
    <beginDate>2014-05-19</beginDate><arCode>9999300000000001</arCode></regAddress>\
    <documents><document><type><code>001</code><nameRu>ПАСПОРТ РК</nameRu></type>\
    <number>N00000001</number><beginDate>2022-03-18</beginDate><status><code>00</code></status>\
    </document><document><type><code>002</code><nameRu>УДОСТОВЕРЕНИЕ РК</nameRu></type>\
    <number>000000001</number><beginDate>2021-03-18</beginDate><endDate>2031-03-17</endDate>\
    <issueOrganization><code>002</code></issueOrganization><status><code>00</code></status>\
    </document><document><type><code>002</code></type><number>000000002</number>\
    <beginDate>2023-01-01</beginDate><status><code>17</code></status></document></documents>\
    <removed>false</removed>";

fn judged(status: &str, data: &str) -> Result<Answer, Cause> {
    let text = format!(
        "<S:Envelope xmlns:S='http://schemas.xmlsoap.org/soap/envelope/'><S:Body>\
         <t:SendMessageResponse xmlns:t='urn:t'><response><responseInfo><status><code>{status}\
         </code></status></responseInfo><responseData>{data}</responseData></response>\
         </t:SendMessageResponse></S:Body></S:Envelope>"
    );
    let iin: Iin = IIN.parse().expect("synthetic");
    let id = Uuid::try_parse(ID).expect("id");
    let reply = shep_sync::read(xml::read(text.as_bytes()).expect("reads")).expect("reply");
    judge(reply, Question { id, iin: &iin, today: TODAY })
}

fn data(result: &str, persons: &str) -> String {
    format!("<data>{HEAD}{result}{persons}</data>")
}

fn person(person: &str) -> Result<Answer, Cause> {
    judged("SCSS001", &data(FOUND, &format!("<persons><person>{person}</person></persons>")))
}

fn row(text: &str) -> Map<String, Value> {
    person(text).expect("found").portal.into_exposed()
}

fn with(more: &str) -> Map<String, Value> {
    row(&format!("{PERSON}{more}"))
}

fn cause(status: &str, data: &str) -> Option<Cause> {
    judged(status, data).err()
}

#[test]
fn the_request_follows_the_order_of_the_schema() {
    let mut xml = Writer::with_capacity(256);
    let now = "2025-02-03T05:15:30Z".parse().expect("instant");
    wire::write(&mut xml, Uuid::try_parse(ID).expect("id"), now, "TESTSYS", IIN);
    assert_eq!(
        xml.finish().expect("writable"),
        "<messageId>3f0c2a52-6f0e-4d0e-9a7b-000000000001</messageId>\
         <messageDate>2025-02-03T10:15:30.000+05:00</messageDate>\
         <senderCode>TESTSYS</senderCode><iin>850100300012</iin>"
    );
}

#[test]
fn a_found_person_fills_the_columns_of_the_portal() {
    let answer = person(PERSON).expect("found");
    assert_eq!(Value::Object(answer.summary), json!({ "found": true, "life_status": "normal" }));
    assert_eq!(
        Value::Object(answer.portal.into_exposed()),
        json!({
            "found": true,
            "iin": IIN,
            "surname": "ТЕСТОВ",
            "name": "ТЕСТ",
            "birth_date": "1985-01-15",
            "gender": "male",
            "citizenship": "398",
            "nationality": "005",
            "life_status": "normal",
            "reg_address": {
                "district": { "code": "9901", "name_ru": "ТЕСТОВАЯ ОБЛАСТЬ", "name_kk": null },
                "region": { "code": "9901401", "name_ru": "ТЕСТОВЫЙ РАЙОН", "name_kk": null },
                "street": "УЛИЦА Тестовая",
                "building": "1",
                "begin_date": "2014-05-19",
                "ar_code": "9999300000000001",
            },
            "document": {
                "type": { "code": "002", "name_ru": "УДОСТОВЕРЕНИЕ РК", "name_kk": null },
                "number": "000000001",
                "begin_date": "2021-03-18",
                "end_date": "2031-03-17",
                "issuer": { "code": "002", "name_ru": null, "name_kk": null },
            },
            "flags": [],
        })
    );
}

#[test]
fn every_column_is_one_that_the_portal_has() {
    let known = super::PERSON.portal.as_ref().expect("owns a row").columns;
    assert!(with("").keys().all(|column| known.contains(&column.as_str())));
}

#[test]
fn oblast_and_raion_are_told_by_the_length_of_their_codes() {
    let swapped = PERSON
        .replace("district>", "other>")
        .replace("region>", "district>")
        .replace("other>", "region>");
    assert_eq!(row(&swapped)["reg_address"], row(PERSON)["reg_address"]);
}

#[test]
fn conditions_become_flags() {
    let dead = PERSON.replace("<code>0</code>", "<code>3</code>");
    assert_eq!(
        (&row(&dead)["life_status"], &row(&dead)["flags"]),
        (&json!("deceased"), &json!(["deceased"]))
    );
    for (more, flags) in [
        (
            "<excludeStatus><excludeReason><code>1</code></excludeReason></excludeStatus>",
            json!(["excluded"]),
        ),
        ("<excludeStatus/><missingStatus> </missingStatus>", json!([])),
        (
            "<personCapableStatus><capableStatus><code>1</code></capableStatus>\
             </personCapableStatus>",
            json!(["incapable"]),
        ),
        (
            "<personCapableStatus><capableNumber>1</capableNumber><capableEndDate>2020-01-01\
             </capableEndDate></personCapableStatus>",
            json!([]),
        ),
        (
            "<missingStatus><missing>true</missing><missingEndDate>2030-01-01</missingEndDate>\
             </missingStatus><disappearStatus><disappear>1</disappear></disappearStatus>",
            json!(["missing", "disappeared"]),
        ),
        ("<missingStatus><missing>false</missing></missingStatus>", json!([])),
    ] {
        assert_eq!(with(more)["flags"], flags, "{more}");
    }
    let removed = PERSON.replace("<removed>false", "<removed>true");
    assert_eq!(row(&removed)["flags"], json!(["removed"]));
}

#[test]
fn an_unknown_life_status_is_unknown_and_a_date_of_death_is_decisive() {
    let odd = PERSON.replace("<code>0</code>", "<code>77</code>");
    assert_eq!(row(&odd)["life_status"], json!("unknown"));
    let died = PERSON.replace("<deathDate/>", "<deathDate>2021-09-13</deathDate>");
    assert_eq!(row(&died)["life_status"], json!("deceased"));
    assert_eq!(row(&died)["flags"], json!(["deceased"]));
}

#[test]
fn nobody_found_has_two_forms_and_both_succeed() {
    for (status, text) in [
        ("SCSS001", data(NOT_FOUND, "")),
        ("SCSE001", "<data/>".to_owned()),
        ("SCSE001", String::new()),
    ] {
        let answer = judged(status, &text).expect("an answer");
        assert_eq!(Value::Object(answer.summary), json!({ "found": false }));
        assert_eq!(answer.portal.expose()["found"], json!(false));
    }
}

#[test]
fn an_unknown_code_is_never_not_found() {
    let other = NOT_FOUND.replace("SIM-NOT-FOUND", "SIM-NOT");
    assert_eq!(cause("SCSS001", &data(&other, "")), Some(Cause::UnknownResult));
    assert_eq!(cause("SCSS001", &data("", "")), Some(Cause::UnknownResult));
    assert_eq!(cause("SCSE003", "<data/>"), Some(Cause::UnknownStatus));
    assert_eq!(cause("404", "<data/>"), Some(Cause::UnknownStatus));
    assert_eq!(cause("SCSE001", &data(NOT_FOUND, "")), Some(Cause::NotFoundWithData));
    assert_eq!(cause("SCSS001", &data(FOUND, "")), Some(Cause::NoPerson));
    let contradiction = data(NOT_FOUND, "<persons><person/></persons>");
    assert_eq!(cause("SCSS001", &contradiction), Some(Cause::NotFoundWithPersons));
    assert_eq!(cause("SCSS001", &data(&FOUND.repeat(2), "")), Some(Cause::Repeated));
}

#[test]
fn an_answer_must_be_about_the_request_and_the_person() {
    let persons = format!("<persons><person>{PERSON}</person></persons>");
    let whole = data(FOUND, &persons);
    let other = whole.replace("9a7b-000000000001", "9a7b-000000000009");
    assert_eq!(cause("SCSS001", &other), Some(Cause::OtherRequest));
    let none = whole.replace("requestId>", "otherId>");
    assert_eq!(cause("SCSS001", &none), Some(Cause::OtherRequest));
    let elsewhere = whole.replace(IIN, "920300400029");
    assert_eq!(cause("SCSS001", &elsewhere), Some(Cause::OtherPerson));
    assert_eq!(person(&PERSON.replace(IIN, "")).err(), Some(Cause::NoIin));
    assert_eq!(person(&format!("{PERSON}<iin>{IIN}</iin>")).err(), Some(Cause::Repeated));
    let two = data(FOUND, &persons.replace("</person>", "</person><person/>"));
    assert_eq!(cause("SCSS001", &two), Some(Cause::SeveralPersons));
    assert_eq!(cause("SCSS001", &data(FOUND, "<persons/>")), Some(Cause::NoPerson));
    let date = PERSON.replace("1985-01-15+06:00", "15.01.1985");
    assert_eq!(person(&date).err(), Some(Cause::Date));
}

#[test]
fn data_may_be_escaped_cdata_or_typed() {
    let inner = format!("{HEAD}{FOUND}<persons><person>{PERSON}</person></persons>");
    let escaped = inner.replace('&', "&amp;").replace('<', "&lt;");
    for data in [
        format!("<data>&lt;?xml version='1.0'?&gt;&lt;r&gt;{escaped}&lt;/r&gt;</data>"),
        format!("<data><![CDATA[<r>{inner}</r>]]></data>"),
        format!("<n:data xmlns:n='urn:n'><n:Response>{inner}</n:Response></n:data>"),
    ] {
        assert!(judged("SCSS001", &data).is_ok(), "{data}");
    }
    assert_eq!(cause("SCSS001", "<data>&lt;a&gt;</data>"), Some(Cause::Payload));
    assert_eq!(cause("SCSS001", "<data/>"), Some(Cause::Payload));
}

#[test]
fn the_input_is_one_iin_and_nothing_else() {
    let checker = Checker::new(&contracts::schema::of::<Input>()).expect("schema");
    assert!(checker.check(&json!({ "iin": IIN })).is_empty());
    for input in [json!({}), json!({ "iin": "850100300013" }), json!({ "iin": IIN, "x": 1 })] {
        assert_eq!(checker.check(&input).len(), 1, "{input}");
    }
}
