use contracts::{number::Bin, personal::Personal, schema::Checker};
use jiff::civil::{Date, date};
use serde_json::{Map, Value, json};

use super::{
    failures::Cause,
    organization::{Input, Question, judge},
    wire,
};
use crate::{
    attempt::Answer,
    transport::{shep_sync, xml},
};

const BIN: &str = "100540000008";
const TODAY: Date = date(2026, 11, 22);

const PROCESSED: &str =
    "<Status><Code>002</Code><NameRu>Запрос обработан успешно</NameRu></Status>";
const COMPANY: &str = "<BIN>100540000008</BIN>\
    <RegStatus><Code>SIM-REG</Code><NameRu>Зарегистрирован</NameRu><NameKz>Тіркелген</NameKz>\
    </RegStatus><RegistrationDepartment><Code>SIM-DEP</Code></RegistrationDepartment>\
    <RegistrationDate>2010-05-14+05:00</RegistrationDate>\
    <RegistrationLastDate>2022-11-02+06:00</RegistrationLastDate>\
    <FullNameRu>Товарищество \"ТЕСТ\" &amp;amp; Ко</FullNameRu>\
    <FullNameKz>\"ТЕСТ\" серіктестігі</FullNameKz><ShortNameRu>ТОО \"ТЕСТ\"</ShortNameRu>\
    <ShortNameKz>-</ShortNameKz>\
    <OrgForm><Code>1</Code><NameRu>Юридическое лицо</NameRu></OrgForm>\
    <TaxOrgStatus>0</TaxOrgStatus>\
    <OrganizationLeader><Position><PositionType><Code>SIM-POS</Code><NameRu>Руководитель</NameRu>\
    </PositionType><IssueDate>2022-10-31+05:00</IssueDate></Position>\
    <Country><Code>398</Code></Country><IIN>720400300153</IIN><SurName>ТЕСТОВ</SurName>\
    <Name>ТЕСТ</Name></OrganizationLeader>\
    <Activity><Main>false</Main><OKED>62011</OKED></Activity>\
    <Activity><Main>true</Main><OKED>80100</OKED><ActivityNameKz>Тест қызметі</ActivityNameKz>\
    <ActivityNameRu>Тестовая деятельность</ActivityNameRu></Activity>\
    <Address><RKA>9999300000000002</RKA><KATO>710000000</KATO><DistrictRu>город Тест</DistrictRu>\
    <CityRu>-</CityRu><CityKz/><StreetRu>Тестовая</StreetRu><BuildingNumber>10</BuildingNumber>\
    <AppartmentNumber>2</AppartmentNumber></Address>\
    <FoundersFL><IIN>920300400029</IIN><SurName>ПРИМЕРОВА</SurName></FoundersFL>\
    <StatCommInfo><Activity><Main>true</Main><OKED>99999</OKED></Activity></StatCommInfo>";
const NON_RESIDENT: &str = "<IpsNerezident><BIN>100540000008</BIN><RegDate>2020-03-05Z</RegDate>\
    <FullNameRu>TEST GMBH</FullNameRu><OrgForm><Code>SIM-IPS</Code></OrgForm>\
    <CountryNerezident><Code>276</Code><NameRu>ГЕРМАНИЯ</NameRu></CountryNerezident>\
    <RegStatus><Code>SIM-REG</Code></RegStatus><Leader><SurName>TEST</SurName></Leader>\
    </IpsNerezident>";

/// The judgement on a payload that stands in the answer like this.
fn judged_data(status: &str, data: &str) -> Result<Answer, Cause> {
    let text = format!(
        "<S:Envelope xmlns:S='http://schemas.xmlsoap.org/soap/envelope/'><S:Body>\
         <t:SendMessageResponse xmlns:t='urn:t'><response><responseInfo><status><code>{status}\
         </code></status></responseInfo><responseData>{data}</responseData></response>\
         </t:SendMessageResponse></S:Body></S:Envelope>"
    );
    let bin: Bin = BIN.parse().expect("synthetic");
    let reply = shep_sync::read(xml::read(text.as_bytes()).expect("reads")).expect("reply");
    judge(reply, Question { bin: &bin, today: TODAY })
}

fn escaped(document: &str) -> String {
    document.replace('&', "&amp;").replace('<', "&lt;")
}

/// The judgement on a document with this content.
fn judged(content: &str) -> Result<Answer, Cause> {
    let document = format!("<n:Response xmlns:n='urn:n'>{content}</n:Response>");
    judged_data("SCSS001", &format!("<data>{}</data>", escaped(&document)))
}

fn company(company: &str) -> Result<Answer, Cause> {
    judged(&format!("{PROCESSED}<Organization>{company}</Organization>"))
}

fn row(text: &str) -> Map<String, Value> {
    company(text).expect("found").portal.into_exposed()
}

fn flags(text: &str) -> Value {
    row(text)["flags"].clone()
}

#[test]
fn the_request_follows_the_order_of_the_schema() {
    assert_eq!(
        wire::write("990140000007", BIN).expect("writable"),
        "<ns3:Request xmlns:ns3=\"http://gbdulinfobybin_v2.egp.gbdul.tamur.kz\">\
         <RequestorBIN>990140000007</RequestorBIN><BIN>100540000008</BIN></ns3:Request>"
    );
}

#[test]
fn d12_a_found_organisation_fills_the_columns_of_the_portal() {
    let answer = company(COMPANY).expect("found");
    let summary = json!({ "found": true, "kind": "organization", "flags": [] });
    assert_eq!(Value::Object(answer.summary), summary);
    assert_eq!(
        Value::Object(answer.portal.into_exposed()),
        json!({
            "found": true,
            "bin": BIN,
            "kind": "organization",
            "full_name_ru": "Товарищество \"ТЕСТ\" &amp; Ко",
            "full_name_kk": "\"ТЕСТ\" серіктестігі",
            "short_name_ru": "ТОО \"ТЕСТ\"",
            "reg_status":
                { "code": "SIM-REG", "name_ru": "Зарегистрирован", "name_kk": "Тіркелген" },
            "registration_date": "2010-05-14",
            "registration_last_date": "2022-11-02",
            "org_form": { "code": "1", "name_ru": "Юридическое лицо", "name_kk": null },
            "is_branch": false,
            "leader": {
                "iin": "720400300153",
                "surname": "ТЕСТОВ",
                "name": "ТЕСТ",
                "position": { "code": "SIM-POS", "name_ru": "Руководитель", "name_kk": null },
                "begin_date": "2022-10-31",
            },
            "address": {
                "rka": "9999300000000002",
                "kato": "710000000",
                "district_ru": "город Тест",
                "street_ru": "Тестовая",
                "building": "10",
                "apartment": "2",
            },
            "activity": {
                "oked": "80100",
                "name_ru": "Тестовая деятельность",
                "name_kk": "Тест қызметі",
            },
            "tax_status": "active",
            "flags": [],
        })
    );
}

#[test]
fn founders_are_not_kept() {
    let answer = company(COMPANY).expect("found");
    let kept = format!("{:?} {:?}", answer.summary, answer.portal.expose());
    assert!(!kept.contains("920300400029") && !kept.contains("ПРИМЕРОВА"), "{kept}");
}

#[test]
fn every_column_is_one_that_the_portal_has() {
    let known = super::ORGANIZATION.portal.as_ref().expect("owns a row").columns;
    let head = "<HeaderOrganization><BIN>1</BIN></HeaderOrganization>";
    let liquidated = "<LiquidationDate>2020-01-01</LiquidationDate>";
    let rows = [row(&format!("{COMPANY}{head}{liquidated}")), non_resident()];
    for (column, _) in rows.iter().flatten() {
        assert!(known.contains(&column.as_str()), "{column}");
    }
    for column in known.iter().filter(|column| **column != "short_name_kk") {
        assert!(rows.iter().any(|row| row.contains_key(*column)), "{column} is never filled");
    }
}

fn non_resident() -> Map<String, Value> {
    judged(&format!("{PROCESSED}{NON_RESIDENT}")).expect("found").portal.into_exposed()
}

#[test]
fn a_non_resident_comes_in_a_block_of_its_own() {
    let row = non_resident();
    assert_eq!((&row["kind"], &row["flags"]), (&json!("non_resident"), &json!(["non_resident"])));
    assert_eq!(row["registration_date"], json!("2020-03-05"));
    assert_eq!(row["country"]["code"], json!("276"));
    assert_eq!(row["leader"], json!({ "surname": "TEST" }));
    // An empty block of the other kind says nothing.
    assert!(judged(&format!("{PROCESSED}<Organization/>{NON_RESIDENT}")).is_ok());
}

#[test]
fn a_branch_and_a_representative_office_name_their_head() {
    let head = "<HeaderOrganization><BIN>990140000007</BIN><OrganizationNameRu>ТОО \"ТЕСТ\"\
        </OrganizationNameRu></HeaderOrganization>";
    for (form, is_branch, expected) in [
        ("2", true, json!(["branch"])),
        ("3", false, json!(["representative_office"])),
        ("SIM-9", true, json!(["branch"])),
    ] {
        let text = COMPANY.replace("<Code>1</Code>", &format!("<Code>{form}</Code>")) + head;
        let row = row(&text);
        assert_eq!((&row["is_branch"], &row["flags"]), (&json!(is_branch), &expected), "{form}");
        assert_eq!(row["head"]["bin"], json!("990140000007"));
    }
    let alone = COMPANY.replace("<Code>1</Code>", "<Code>2</Code>");
    assert_eq!(row(&alone)["is_branch"], json!(true));
}

#[test]
fn liquidation_counts_from_its_date_and_shows_before_it() {
    let decided = "<Liquidation><LiqDecisionDate>2023-08-20</LiqDecisionDate></Liquidation>";
    for (more, expected) in [
        ("<LiquidationDate>2023-09-01+06:00</LiquidationDate>".to_owned(), json!(["liquidated"])),
        ("<LiquidationDate>2026-11-22</LiquidationDate>".to_owned(), json!(["liquidated"])),
        ("<LiquidationDate>2026-11-23</LiquidationDate>".to_owned(), json!(["in_liquidation"])),
        (decided.to_owned(), json!(["in_liquidation"])),
        (format!("{decided}<LiquidationDate>2023-09-01</LiquidationDate>"), json!(["liquidated"])),
        ("<Liquidation> </Liquidation><LiquidationDate/>".to_owned(), json!([])),
    ] {
        assert_eq!(flags(&format!("{COMPANY}{more}")), expected, "{more}");
    }
}

#[test]
fn a_removed_leader_is_shown_with_the_day_and_flagged() {
    let lost = |day: &str| {
        COMPANY.replace("</IssueDate>", &format!("</IssueDate><LossDate>{day}</LossDate>"))
    };
    let removed = row(&lost("2024-12-31+05:00"));
    assert_eq!(removed["leader"]["end_date"], json!("2024-12-31"));
    assert_eq!(removed["flags"], json!(["leader_removed"]));
    assert_eq!(flags(&lost("2026-11-23")), json!([]));
    assert_eq!(flags(&lost("-")), json!([]));
}

#[test]
fn the_tax_status_is_read_from_its_code_alone() {
    for (code, status, expected) in [
        ("0", json!("active"), json!([])),
        (" 1 ", json!("inactive"), json!(["inactive"])),
        ("2", json!("unknown"), json!([])),
    ] {
        let text = COMPANY.replace("Status>0<", &format!("Status>{code}<"));
        let row = row(&text);
        assert_eq!((&row["tax_status"], &row["flags"]), (&status, &expected), "{code}");
    }
    let absent = COMPANY.replace("<TaxOrgStatus>0</TaxOrgStatus>", "");
    assert_eq!(row(&absent).get("tax_status"), None);
}

#[test]
fn not_found_has_three_codes_and_each_succeeds() {
    for code in ["031", "034", "035"] {
        let answer = judged(&format!("<Status><Code> {code} </Code></Status>")).expect("an answer");
        let summary = json!({ "found": false, "status": code });
        assert_eq!(Value::Object(answer.summary), summary);
        let row = json!({ "found": false, "bin": BIN, "flags": [] });
        assert_eq!(Value::Object(answer.portal.into_exposed()), row);
    }
}

#[test]
fn an_unknown_code_is_never_not_found() {
    let text = |code: &str| Personal::new(code.to_owned());
    let organization = format!("<Organization>{COMPANY}</Organization>");
    for code in ["000", "00000", "2", "0031", "SIM-777", ""] {
        let status = format!("<Status><Code>{code}</Code></Status>");
        for content in [status.clone(), format!("{status}{organization}")] {
            assert_eq!(judged(&content).err(), Some(Cause::UnknownStatus(text(code))), "{content}");
        }
    }
    assert_eq!(judged(&organization).err(), Some(Cause::UnknownStatus(text(""))));
    // `404` is "not found" for the reports of this register, not for this service.
    for (status, data) in [("404", ""), ("SCSE001", "<data/>"), ("SCSE003", "<data/>")] {
        let expected = Cause::UnknownResponseStatus(text(status));
        assert_eq!(judged_data(status, data).err(), Some(expected));
    }
}

#[test]
fn an_answer_that_contradicts_itself_is_not_taken() {
    let organization = format!("<Organization>{COMPANY}</Organization>");
    let absent = "<Status><Code>031</Code></Status>";
    for (content, cause) in [
        (PROCESSED.to_owned(), Cause::NoOrganization),
        (format!("{PROCESSED}<Organization/><IpsNerezident/>"), Cause::NoOrganization),
        (format!("{PROCESSED}{organization}{NON_RESIDENT}"), Cause::BothKinds),
        (format!("{absent}{organization}"), Cause::NotFoundWithData),
        (format!("{absent}{NON_RESIDENT}"), Cause::NotFoundWithData),
        (format!("{PROCESSED}{absent}{organization}"), Cause::Repeated),
        (format!("{PROCESSED}{organization}{organization}"), Cause::Repeated),
    ] {
        assert_eq!(judged(&content).err(), Some(cause), "{content}");
    }
}

#[test]
fn an_answer_must_be_about_the_organisation() {
    let other = COMPANY.replacen(BIN, "180842000004", 1);
    assert_eq!(company(&other).err(), Some(Cause::OtherOrganization));
    let none = COMPANY.replacen(BIN, "", 1);
    assert_eq!(company(&none).err(), Some(Cause::NoBin));
    let head = "<HeaderOrganization><BIN>100540000008</BIN></HeaderOrganization>";
    let of_head = COMPANY.replacen(BIN, "150641000006", 1) + head;
    assert_eq!(company(&of_head).err(), Some(Cause::OtherOrganization));
    assert_eq!(company(&format!("{COMPANY}<BIN>{BIN}</BIN>")).err(), Some(Cause::Repeated));
    for local in ["RegistrationDate", "LiquidationDate", "RegistrationLastDate"] {
        let text = COMPANY.replace("<RegistrationDate>2010-05-14+05:00</RegistrationDate>", "");
        let text =
            text.replace("RegistrationLastDate", "Old") + &format!("<{local}>14.05.10</{local}>");
        assert_eq!(company(&text).err(), Some(Cause::Date), "{local}");
    }
}

/// The signature is somebody else's to verify: it must not stand in the way, and need not be there.
#[test]
fn a_signature_in_the_answer_changes_nothing() {
    let signature = "<ds:Signature xmlns:ds='http://www.w3.org/2000/09/xmldsig#'><ds:SignedInfo>\
        <Status><Code>031</Code></Status></ds:SignedInfo></ds:Signature>";
    let organization = format!("<Organization>{COMPANY}</Organization>");
    let without = judged(&format!("{PROCESSED}{organization}")).expect("found");
    for content in [
        format!("{PROCESSED}{organization}{signature}"),
        format!("{signature}{PROCESSED}{organization}"),
    ] {
        let with = judged(&content).expect("found");
        assert_eq!(with.portal, without.portal);
    }
    let absent = "<Status><Code>031</Code></Status>";
    assert!(judged(&format!("{absent}{signature}")).is_ok());
}

#[test]
fn one_document_reads_alike_in_every_form() {
    let inner = format!("{PROCESSED}<Organization>{COMPANY}</Organization><More><New/></More>");
    let qualified = inner.replace("</", "\u{1}").replace('<', "<n:").replace('\u{1}', "</n:");
    let whole = |root: &str| format!("<n:{root} xmlns:n='urn:n'>{inner}</n:{root}>");
    let document = whole("Response");
    for data in [
        format!("<data>{}</data>", escaped(&document)),
        format!("<data>{}</data>", escaped(&format!("<?xml version='1.0'?>\n{document}"))),
        format!("<data>{}</data>", escaped(&whole("responseDataType"))),
        format!("<data>{}</data>", escaped(&format!("<n:R xmlns:n='urn:n'>{qualified}</n:R>"))),
        format!("<data><![CDATA[<?xml version='1.0' encoding='UTF-8'?>{document}]]></data>"),
        format!("<data>{}<![CDATA[{}]]></data>", escaped(&document[..40]), &document[40..]),
        format!("<data>{document}</data>"),
        format!("<n:data xmlns:n='urn:n' xmlns:i='urn:i' i:type='xs:string'>{document}</n:data>"),
        format!("<data>{inner}</data>"),
    ] {
        let answer =
            judged_data("SCSS001", &data).unwrap_or_else(|cause| panic!("{cause:?} {data}"));
        assert_eq!(answer.portal.expose(), &row(COMPANY), "{data}");
    }
}

#[test]
fn what_is_no_document_is_not_guessed_at() {
    let document = format!("<R>{PROCESSED}<Organization>{COMPANY}</Organization></R>");
    for data in [
        String::new(),
        "<data/>".to_owned(),
        "<data>002</data>".to_owned(),
        format!("<data>{}</data>", escaped(&document[..document.len() - 9])),
        format!("<data>{}</data>", escaped(&escaped(&document))),
        format!("<data>{}</data>", escaped(&format!("<!DOCTYPE R>{document}"))),
        format!("<data>{}</data>", escaped(&document).replace("002", "002&amp;x;")),
    ] {
        assert_eq!(judged_data("SCSS001", &data).err(), Some(Cause::Payload), "{data}");
    }
}

#[test]
fn d22_a_bin_with_a_wrong_check_digit_is_rejected_before_anything_is_sent() {
    let checker = Checker::new(&contracts::schema::of::<Input>()).expect("schema");
    assert!(checker.check(&json!({ "bin": BIN })).is_empty());
    for input in [
        json!({}),
        json!({ "bin": "100540000009" }),
        json!({ "bin": "850100300012" }), // an IIN
        json!({ "bin": "10054000000" }),
        json!({ "bin": 100_540_000_008_u64 }),
        json!({ "bin": BIN, "x": 1 }),
    ] {
        assert_eq!(checker.check(&input).len(), 1, "{input}");
    }
}
