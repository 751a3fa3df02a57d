use std::fmt::Write as _;

use contracts::{number::Bin, personal::Personal, schema::Checker};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    PROPERTIES,
    failures::Cause,
    patient,
    properties::{Input, Question, check_input, judge},
    simulator::THINKING,
    wire::{self, ENCUMBRANCES_MAX, ID_CHARS_MAX, OBJECTS_MAX, RIGHTS_MAX},
};
use crate::{
    attempt::Answer,
    settings::Settings,
    transport::{
        shep_sync,
        xml::{self, Writer},
    },
};

const OWNER: &str = "750500300132";
const COMPANY: &str = "100540000008";
const ID: &str = "3f0c2a52-6f0e-4d0e-9a7b-000000000001";

const RIGHT: &str = "<Razdel2><RegDate>2018-04-12T23:30:00.000+06:00</RegDate>\
    <Owner><IINBIN>750500300132</IINBIN><NameRus>ТЕСТОВ ТЕСТ</NameRus><IsFl>true</IsFl></Owner>\
    <RightType><ID>SIM-OWN</ID><NameRus>Право собственности</NameRus>\
    <NameKaz>Меншік құқығы</NameKaz></RightType>\
    <OwnershipForm><ID>2</ID><NameRus>Частная</NameRus><NameKaz>Жеке</NameKaz></OwnershipForm>\
    <GenOwnershipForm><ID>SIM-SHARE</ID><NameRus>Общая долевая</NameRus></GenOwnershipForm>\
    <Share>1/2</Share></Razdel2>";
const BURDEN: &str = "<Razdel3><RegDate>2024-06-11T09:00:00.000+05:00</RegDate>\
    <InterestedPerson><NameRus>ЧСИ ТЕСТ</NameRus><IsFl>true</IsFl></InterestedPerson>\
    <BurdenType><ID>SIM-ARREST</ID><NameRus>Арест</NameRus><NameKaz>Тыйым салу</NameKaz>\
    </BurdenType></Razdel3>";
const ADDRESS: &str = "<AddressData><Ate><AteCode>999901</AteCode><NameRu>Тест</NameRu></Ate>\
    <AddressCode>9999300000000003</AddressCode><AddressNameRu>г. Тест, д. 1</AddressNameRu>\
    <AddressNameKz>Тест қ., 1 үй</AddressNameKz></AddressData>";
const MEASURE: &str = "<Measure><ID>SIM-M2</ID><NameRus>квадратный метр</NameRus>\
    <NameKaz>шаршы метр</NameKaz></Measure>";

fn flat() -> String {
    format!(
        "<ObjectInfo><Id>1</Id><EstateObjectTypeCode>4</EstateObjectTypeCode>\
         <CadastrNum>99:000:000:0001:1:1</CadastrNum><Area>54.30</Area>{MEASURE}{ADDRESS}{RIGHT}\
         {BURDEN}</ObjectInfo>"
    )
}

fn answer(status: &str, data: &str, owner: &str, actual_only: bool) -> Result<Answer, Cause> {
    let text = format!(
        "<S:Envelope xmlns:S='http://schemas.xmlsoap.org/soap/envelope/'><S:Body>\
         <t:SendMessageResponse xmlns:t='urn:t'><response><responseInfo><status><code>{status}\
         </code></status></responseInfo><responseData>{data}</responseData></response>\
         </t:SendMessageResponse></S:Body></S:Envelope>"
    );
    let reply = shep_sync::read(xml::read(text.as_bytes()).expect("reads")).expect("reply");
    let now = "2026-11-22T05:00:00Z".parse().expect("instant");
    judge(reply, Question { id: Uuid::try_parse(ID).expect("id"), owner, actual_only, now })
}

fn payload(number: &str, result: &str, list: &str) -> String {
    format!(
        "<data><q:Response xmlns:q='urn:q'><SystemInfo><RequestNumber>{number}</RequestNumber>\
         </SystemInfo><BusinessData>{result}{list}</BusinessData></q:Response></data>"
    )
}

const DONE: &str = "<Result><ResultCode>310</ResultCode></Result>";

fn objects(objects: &str) -> Result<Answer, Cause> {
    let list = format!("<Objects>{objects}</Objects>");
    answer("SCSS001", &payload(ID, DONE, &list), OWNER, true)
}

fn listed(list: &str) -> Option<Cause> {
    answer("SCSS001", &payload(ID, DONE, list), OWNER, true).err()
}

fn rows(text: &str) -> Vec<Map<String, Value>> {
    objects(text).expect("taken").rows.into_exposed()
}

fn row(object: &str) -> Map<String, Value> {
    rows(object).remove(0)
}

fn changed(from: &str, to: &str) -> String {
    let flat = flat();
    assert!(flat.contains(from), "{from}");
    flat.replace(from, to)
}

fn result_cause(code: &str) -> Cause {
    Cause::UnknownResult(Personal::new(code.to_owned()))
}

#[test]
fn the_request_follows_the_order_of_the_contract() {
    let mut xml = Writer::with_capacity(512);
    let request = wire::Request {
        id: Uuid::try_parse(ID).expect("id"),
        now: "2025-02-03T05:25:00Z".parse().expect("instant"),
        owner: COMPANY,
        is_person: false,
        actual_only: true,
    };
    wire::write(&mut xml, request);
    assert_eq!(
        xml.finish().expect("writable"),
        format!(
            "<ns3:Request xmlns:ns3=\"urn:sim:egkn:rightsbyiinbin\"><SystemInfo><RequestNumber>\
             {ID}</RequestNumber><ChainId>{ID}</ChainId><RequestDate>2025-02-03T10:25:00.000+05:00\
             </RequestDate></SystemInfo><BusinessData><IINBIN>{COMPANY}</IINBIN><IsFl>false</IsFl>\
             <ActualOnly>true</ActualOnly></BusinessData></ns3:Request>"
        )
    );
}

#[test]
fn d12_every_object_becomes_a_row_with_its_rights_and_encumbrances() {
    let answer = objects(&flat()).expect("taken");
    let summary = json!({ "found": 1, "pickup_addresses": 1, "flawed": 0 });
    assert_eq!(Value::Object(answer.summary), summary);
    assert_eq!(
        Value::Object(answer.portal.into_exposed()),
        json!({
            "found": 1,
            "pickup_addresses": 1,
            "flawed": 0,
            "actual_only": true,
            "checked_at": "2026-11-22T05:00:00Z",
        })
    );
    assert_eq!(
        json!(answer.rows.into_exposed()),
        json!([{
            "object_id": "1",
            "cadastral_number": "99:000:000:0001:1:1",
            "object_type": "premises",
            "object_type_code": "4",
            "area": "54.30",
            "area_unit": "m2",
            "area_measure":
                { "code": "SIM-M2", "name_ru": "квадратный метр", "name_kk": "шаршы метр" },
            "rka": "9999300000000003",
            "address_ru": "г. Тест, д. 1",
            "address_kk": "Тест қ., 1 үй",
            "pickup_address": true,
            "rights": [{
                "right_type": {
                    "code": "SIM-OWN", "name_ru": "Право собственности", "name_kk": "Меншік құқығы",
                },
                "ownership_form": { "code": "2", "name_ru": "Частная", "name_kk": "Жеке" },
                "general_ownership_form":
                    { "code": "SIM-SHARE", "name_ru": "Общая долевая", "name_kk": null },
                "share": "1/2",
                "registered_on": "2018-04-12",
                "is_requested_person": true,
            }],
            "encumbrances": [{
                "type": { "code": "SIM-ARREST", "name_ru": "Арест", "name_kk": "Тыйым салу" },
                "registered_on": "2024-06-11",
            }],
            "flaws": [],
        }])
    );
}

#[test]
fn d12_no_property_is_an_empty_answer_that_succeeds() {
    let without_system_info = format!(
        "<data><n:Response xmlns:n='urn:n'><BusinessData>{DONE}<Objects/></BusinessData>\
         </n:Response></data>"
    );
    for data in [without_system_info, payload(ID, DONE, "<Objects> </Objects>")] {
        let answer = answer("SCSS001", &data, OWNER, true).expect("an answer");
        let summary = json!({ "found": 0, "pickup_addresses": 0, "flawed": 0 });
        assert_eq!(Value::Object(answer.summary), summary);
        assert_eq!(answer.portal.expose()["found"], json!(0));
        assert!(answer.rows.expose().is_empty());
    }
}

#[test]
fn d12_an_outage_is_never_no_property() {
    for code in ["40", "001", "0310", "310 ", "SIM-4242", ""] {
        let result = format!("<Result><ResultCode>{code}</ResultCode></Result>");
        let found = answer("SCSS001", &payload(ID, &result, "<Objects/>"), OWNER, true).err();
        // Blanks around a value do not count anywhere in an answer.
        let expected = (code.trim() != "310").then(|| result_cause(code));
        assert_eq!(found, expected, "{code}");
    }
    let without_result = answer("SCSS001", &payload(ID, "", "<Objects/>"), OWNER, true);
    assert_eq!(without_result.err(), Some(result_cause("")));
    assert_eq!(answer("SCSS001", "<data><a/></data>", OWNER, true).err(), Some(result_cause("")));
    for status in ["SCSE001", "404", "SCSE003", ""] {
        let unknown = Some(Cause::UnknownStatus(Personal::new(status.to_owned())));
        assert_eq!(answer(status, "", OWNER, true).err(), unknown, "{status}");
        let empty = payload(ID, DONE, "<Objects/>");
        assert_eq!(answer(status, &empty, OWNER, true).err(), unknown, "{status}");
    }
    assert_eq!(listed(""), Some(Cause::NoObjects));
    let nil = "<Objects xmlns:x='http://www.w3.org/2001/XMLSchema-instance' x:nil='true'/>";
    assert_eq!(listed(nil), Some(Cause::NoObjects));
    for something in ["<Object/>", "<EstateInfo><Id>1</Id></EstateInfo>", "-", "none"] {
        let list = format!("<Objects>{something}</Objects>");
        assert_eq!(listed(&list), Some(Cause::ObjectsUnreadable), "{something}");
    }
    let foreign = format!("<Objects>{}<EstateInfo/></Objects>", flat());
    assert_eq!(listed(&foreign), Some(Cause::ObjectsUnreadable));
    assert_eq!(listed(&format!("<Objects/>{}", flat())), Some(Cause::ObjectsUnreadable));
    assert_eq!(listed("<Objects/><Objects/>"), Some(Cause::Repeated));
    assert_eq!(answer("SCSS001", "<data/>", OWNER, true).err(), Some(Cause::Payload));
    let torn = answer("SCSS001", "<data>&lt;a&gt;</data>", OWNER, true);
    assert_eq!(torn.err(), Some(Cause::Payload));
}

#[test]
fn an_answer_must_be_about_the_request() {
    let list = format!("<Objects>{}</Objects>", flat());
    let other = payload("3f0c2a52-6f0e-4d0e-9a7b-000000000009", DONE, &list);
    assert_eq!(answer("SCSS001", &other, OWNER, true).err(), Some(Cause::OtherRequest));
    let odd = payload("SIM-0000001", DONE, "<Objects/>");
    assert_eq!(answer("SCSS001", &odd, OWNER, true).err(), Some(Cause::OtherRequest));
    let none = payload("", DONE, &list);
    assert!(answer("SCSS001", &none, OWNER, true).is_ok(), "the owner is proof enough");
    let upper = payload(&ID.to_uppercase(), DONE, &list);
    assert!(answer("SCSS001", &upper, OWNER, true).is_ok());
}

#[test]
fn d12_every_object_must_have_a_right_of_the_owner_asked_for() {
    let elsewhere = changed(OWNER, COMPANY);
    assert_eq!(objects(&elsewhere).err(), Some(Cause::OtherOwner));
    let two = format!("{}{}", flat(), elsewhere.replace("<Id>1", "<Id>2"));
    assert_eq!(objects(&two).err(), Some(Cause::OtherOwner));
    assert_eq!(objects(&changed(RIGHT, "")).err(), Some(Cause::OtherOwner));
    let nobody = "<Owner><NameRus>ТЕСТОВ</NameRus></Owner>";
    let nameless = format!("{RIGHT}<Razdel2>{nobody}</Razdel2>");
    assert_eq!(row(&changed(RIGHT, &nameless))["rights"][1]["is_requested_person"], json!(false));
    for inside in ["", "<Owner/>", "<Owner> - </Owner>", "<Owner><IINBIN/></Owner>"] {
        let right = format!("<Razdel2>{inside}</Razdel2>");
        let object = changed(RIGHT, &format!("{RIGHT}{right}"));
        assert_eq!(objects(&object).err(), Some(Cause::RightWithoutOwner), "{right}");
    }
    let owner = "<Owner><IINBIN>750500300132</IINBIN></Owner>";
    let two = changed("<RightType>", &format!("{owner}<RightType>"));
    assert_eq!(objects(&two).err(), Some(Cause::Repeated));
    let two = changed("<IINBIN>", "<IINBIN>100540000008</IINBIN><IINBIN>");
    assert_eq!(objects(&two).err(), Some(Cause::Repeated));
}

#[test]
fn d12_other_people_are_kept_without_their_names_and_numbers() {
    let other = RIGHT.replace(OWNER, "850100300012").replace("ТЕСТОВ ТЕСТ", "ЧУЖОВ ТЕСТ");
    let row = row(&changed(RIGHT, &format!("{other}{RIGHT}")));
    assert_eq!(row["rights"].as_array().map(Vec::len), Some(2));
    assert_eq!(row["rights"][0]["is_requested_person"], json!(false));
    assert_eq!(row["rights"][1]["is_requested_person"], json!(true));
    let text = Value::Object(row).to_string();
    for secret in ["850100300012", OWNER, "ЧУЖОВ", "ТЕСТОВ", "ЧСИ"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[test]
fn d14_a_pickup_point_has_an_address_in_words_and_a_code() {
    let is_pickup = |object: &str| row(object)["pickup_address"].clone();
    assert_eq!(is_pickup(&flat()), json!(true));
    let no_words = changed("г. Тест, д. 1", "").replace("Тест қ., 1 үй", "-");
    assert_eq!(is_pickup(&no_words), json!(false));
    assert_eq!(is_pickup(&changed("г. Тест, д. 1", " ")), json!(true), "the Kazakh words remain");
    assert_eq!(is_pickup(&changed("<AddressCode>9999300000000003", "<AddressCode>")), json!(false));
    let nowhere = row(&changed(ADDRESS, ""));
    assert_eq!((&nowhere["pickup_address"], &nowhere["flaws"]), (&json!(false), &json!([])));
    assert!(!nowhere.contains_key("rka") && !nowhere.contains_key("address_ru"));
}

#[test]
fn d14_a_search_for_former_rights_offers_no_pickup_points() {
    let list = format!("<Objects>{}</Objects>", flat());
    let answer = answer("SCSS001", &payload(ID, DONE, &list), OWNER, false).expect("taken");
    assert_eq!(answer.summary["pickup_addresses"], json!(0));
    assert_eq!(answer.portal.expose()["actual_only"], json!(false));
    assert_eq!(answer.rows.expose()[0]["pickup_address"], json!(false));
    assert_eq!(answer.rows.expose()[0]["rka"], json!("9999300000000003"));
}

#[test]
fn d14_a_short_rka_is_left_out_and_hides_no_other_address() {
    for rka in ["999930000000000", "99993000000000031", "999930000000000З", "9999 3000000000003"] {
        let bad = changed("9999300000000003", rka).replace("<Id>1", "<Id>2");
        let answer = objects(&format!("{bad}{}", flat())).expect("taken");
        let summary = json!({ "found": 2, "pickup_addresses": 1, "flawed": 1 });
        assert_eq!(Value::Object(answer.summary), summary);
        let rows = answer.rows.into_exposed();
        assert_eq!(rows[0]["flaws"], json!(["rka_malformed"]), "{rka}");
        assert_eq!((rows[0].get("rka"), &rows[0]["pickup_address"]), (None, &json!(false)));
        assert_eq!(rows[0]["address_ru"], json!("г. Тест, д. 1"));
        assert_eq!(rows[1]["pickup_address"], json!(true));
    }
}

#[test]
fn an_area_that_may_mean_two_things_is_left_out() {
    for area in ["54,3", "1,234", "1 234.5", "-5", "+5", "5.", ".5", "1e3", "x", "5.1.2"] {
        let row = row(&changed("54.30", area));
        assert_eq!((row.get("area"), &row["flaws"]), (None, &json!(["area_malformed"])), "{area}");
        assert_eq!(row["pickup_address"], json!(true));
    }
    let long = "9".repeat(16);
    assert_eq!(row(&changed("54.30", &long))["flaws"], json!(["area_malformed"]));
    for area in ["0", "0.0799", "1280", "999999999999999.000000000000001"] {
        assert_eq!(row(&changed("54.30", area))["area"], json!(area));
    }
    let none = row(&changed("<Area>54.30</Area>", "<Area/>"));
    assert_eq!((none.get("area"), &none["flaws"]), (None, &json!([])));
}

#[test]
fn the_unit_of_an_area_comes_from_its_measure_and_not_from_the_kind_of_object() {
    let unit = |object: &str| row(object).get("area_unit").cloned();
    let plot = changed("Code>4</Est", "Code>1</Est");
    assert_eq!(unit(&plot), Some(json!("m2")));
    assert_eq!(unit(&plot.replace("SIM-M2", "4")), Some(json!("ha")));
    let odd = row(&changed("SIM-M2", "9"));
    assert_eq!(odd.get("area_unit"), None);
    assert_eq!(odd["area_measure"]["name_ru"], json!("квадратный метр"));
    let none = row(&changed(MEASURE, ""));
    assert_eq!((none.get("area_unit"), none.get("area_measure")), (None, None));
    assert_eq!(none["area"], json!("54.30"));
}

#[test]
fn the_kind_of_an_object_comes_from_its_code() {
    for (code, kind) in
        [("1", "land_plot"), ("3", "building"), ("4", "premises"), ("7", "other"), ("", "other")]
    {
        let row = row(&changed("Code>4</Est", &format!("Code>{code}</Est")));
        assert_eq!(row["object_type"], json!(kind), "{code}");
        assert_eq!(row.get("object_type_code").is_some(), !code.is_empty());
    }
}

#[test]
fn dictionaries_are_read_in_both_spellings() {
    let orders = flat()
        .replace("<ID>", "<code>")
        .replace("</ID>", "</code>")
        .replace("NameRus>", "nameRu>")
        .replace("NameKaz>", "nameKz>");
    assert_eq!(rows(&orders), rows(&flat()));
    let arrest = "<ID>SIM-ARREST</ID><NameRus>Арест</NameRus><NameKaz>Тыйым салу</NameKaz>";
    let bare = changed(arrest, "3041");
    let kind = json!({ "code": "3041", "name_ru": null, "name_kk": null });
    assert_eq!(row(&bare)["encumbrances"][0]["type"], kind);
}

#[test]
fn several_rights_and_encumbrances_are_normal_and_empty_blocks_say_nothing() {
    let more = changed(BURDEN, &format!("{BURDEN}<Razdel3/>{BURDEN}<Razdel3><RegDate/></Razdel3>"));
    let row = row(&more.replace(RIGHT, &RIGHT.repeat(3)));
    assert_eq!(row["rights"].as_array().map(Vec::len), Some(3));
    assert_eq!(row["encumbrances"].as_array().map(Vec::len), Some(2));
    let untyped = format!("<Razdel3>{}</Razdel3>", "<RegDate>2024-06-11</RegDate>");
    let known = json!([{ "type": null, "registered_on": "2024-06-11" }]);
    assert_eq!(self::row(&changed(BURDEN, &untyped))["encumbrances"], known);
}

#[test]
fn a_civil_date_never_shifts_and_a_broken_one_is_not_taken() {
    for rest in ["T00:30:00+06:00", "T23:30:00Z", "", "+06:00"] {
        let date = &format!("2018-04-12{rest}");
        let row = row(&changed("2018-04-12T23:30:00.000+06:00", date));
        assert_eq!(row["rights"][0]["registered_on"], json!("2018-04-12"), "{date}");
    }
    for from in ["2018-04-12T23:30:00.000+06:00", "2024-06-11T09:00:00.000+05:00"] {
        assert_eq!(objects(&changed(from, "12.04.2018")).err(), Some(Cause::Date));
    }
    let none = row(&changed("2018-04-12T23:30:00.000+06:00", "-"));
    assert_eq!(none["rights"][0]["registered_on"], Value::Null);
}

#[test]
fn one_object_told_twice_is_one_and_two_of_one_id_are_not_taken() {
    assert_eq!(rows(&flat().repeat(2)).len(), 1);
    let other = changed("54.30", "54.3");
    assert_eq!(objects(&format!("{}{other}", flat())).err(), Some(Cause::ObjectsDiffer));
    for id in ["<Id/>", "<Id>-</Id>", ""] {
        assert_eq!(objects(&changed("<Id>1</Id>", id)).err(), Some(Cause::ObjectWithoutId));
    }
    assert_eq!(objects("<ObjectInfo/>").err(), Some(Cause::ObjectWithoutId));
    let two = changed("<Area>54.30</Area>", "<Area>54.30</Area><Area>1</Area>");
    assert_eq!(objects(&two).err(), Some(Cause::Repeated));
}

#[test]
fn every_limit_holds() {
    let owner = "<Owner><IINBIN>750500300132</IINBIN></Owner>";
    let many = |count: usize| {
        (0..count).fold(String::new(), |mut all, n| {
            write!(all, "<ObjectInfo><Id>{n}</Id><Razdel2>{owner}</Razdel2></ObjectInfo>")
                .expect("written");
            all
        })
    };
    assert_eq!(rows(&many(OBJECTS_MAX)).len(), OBJECTS_MAX);
    assert_eq!(objects(&many(OBJECTS_MAX + 1)).err(), Some(Cause::TooManyObjects));
    let rights = |count: usize| changed(RIGHT, &RIGHT.repeat(count));
    assert!(objects(&rights(RIGHTS_MAX)).is_ok());
    assert_eq!(objects(&rights(RIGHTS_MAX + 1)).err(), Some(Cause::TooManyRights));
    let burdens = |count: usize| changed(BURDEN, &BURDEN.repeat(count));
    assert!(objects(&burdens(ENCUMBRANCES_MAX)).is_ok());
    let beyond = objects(&burdens(ENCUMBRANCES_MAX + 1)).err();
    assert_eq!(beyond, Some(Cause::TooManyEncumbrances));
    let long = |count: usize| changed("<Id>1</Id>", &format!("<Id>{}</Id>", "я".repeat(count)));
    assert!(objects(&long(ID_CHARS_MAX)).is_ok());
    assert_eq!(objects(&long(ID_CHARS_MAX + 1)).err(), Some(Cause::ObjectWithoutId));
}

#[test]
fn every_column_is_one_that_the_portal_has() {
    let table = PROPERTIES.portal.as_ref().expect("owns a row");
    let answer = objects(&flat()).expect("taken");
    let portal = answer.portal.into_exposed();
    assert!(table.columns.iter().all(|column| portal.contains_key(*column)));
    assert_eq!(portal.len(), table.columns.len());
    let rows = table.rows.as_ref().expect("owns many");
    let row = answer.rows.into_exposed().remove(0);
    assert!(rows.columns.iter().all(|column| row.contains_key(*column)));
    assert_eq!(row.len(), rows.columns.len());
}

#[test]
fn d22_the_input_is_one_iin_or_one_bin() {
    let checker = Checker::new(&contracts::schema::of::<Input>()).expect("schema");
    let faults = |input: &Value| {
        let mut errors = checker.check(input);
        if errors.is_empty() {
            errors = check_input(input);
        }
        errors.into_iter().map(|error| (error.path, error.code)).collect::<Vec<_>>()
    };
    for good in [
        json!({ "iin": OWNER }),
        json!({ "bin": COMPANY, "actual_only": false }),
        json!({ "iin": OWNER, "bin": null }),
    ] {
        assert_eq!(faults(&good), []);
    }
    let fault = |path: &str, code: &str| vec![(path.to_owned(), code.to_owned())];
    for (input, expected) in [
        (json!({ "iin": OWNER, "bin": COMPANY }), fault("/input/bin", "not_allowed")),
        (json!({}), fault("/input/iin", "field_missing")),
        (json!({ "iin": null, "actual_only": true }), fault("/input/iin", "field_missing")),
        (json!({ "iin": "750500300131" }), fault("/iin", "check_digit")),
        (json!({ "iin": COMPANY }), fault("/iin", "check_digit")),
        (json!({ "bin": OWNER }), fault("/bin", "check_digit")),
        (json!({ "bin": "1005" }), fault("/bin", "wrong_format")),
        (json!({ "iin": OWNER, "actual_only": "yes" }), fault("/actual_only", "wrong_type")),
        (json!({ "iinbin": OWNER }), fault("/iinbin", "field_unknown")),
    ] {
        assert_eq!(faults(&input), expected, "{input}");
    }
    assert!(COMPANY.parse::<Bin>().is_ok());
}

#[test]
fn silence_is_not_cut_off_before_the_call_ends() {
    let call = PROPERTIES.call_timeout;
    assert!(patient(&Settings::for_url("http://127.0.0.1:1/")).read_timeout() >= call);
    let longer = Settings { read_timeout_ms: 90_000, ..Settings::for_url("http://127.0.0.1:1/") };
    assert_eq!(patient(&longer).read_timeout_ms, 90_000);
    assert!(call > THINKING, "a register that thinks as long as it may is waited for");
    let contracts::operation::Span::Plain(deadline) = PROPERTIES.sla.deadline else {
        unreachable!("a promise of a minute")
    };
    assert!(call < deadline, "an answer at the last moment is still in time");
}

/// Blocks that are good alone, and not together.
const BLOCK: &str = "(<Id>[a-z0-9]{0,3}</Id>|<Razdel2/>|<Area>[0-9.,]{0,6}</Area>|\
    <AddressData><AddressCode>[0-9]{14,17}</AddressCode></AddressData>|\
    <Razdel2><Owner><IINBIN>750500300132</IINBIN></Owner></Razdel2>)";

proptest! {
    #[test]
    fn d12_an_object_of_any_shape_is_taken_as_one_or_not_at_all(
        blocks in proptest::collection::vec(BLOCK, 0..5)
    ) {
        if let Ok(answer) = objects(&format!("<ObjectInfo>{}</ObjectInfo>", blocks.concat())) {
            prop_assert_eq!(answer.rows.expose().len(), 1);
            prop_assert!(blocks.iter().any(|block| block.contains(OWNER)));
            prop_assert!(!blocks.iter().any(|block| block == "<Razdel2/>"));
        }
    }
}
