//! The texts of GBD UL (gov-services §3.4), and the shapes in which they travel.

use jiff::Timestamp;

use super::{Act, Chance, signature};
use crate::simulation::{
    behaviour::Behaviour,
    envelope::{self, Form, Soap},
    template::{Template, escape},
};

/// What the registry reads from a request.
pub(super) struct Asked {
    /// `requestInfo/messageId`: the same at every attempt of a job.
    pub(super) envelope_id: String,
    /// The organisation.
    pub(super) bin: String,
}

const SLOTS: [&str; 3] = ["bin", "name", "registered"];
const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const NAMESPACE: &str = "http://gbdulinfobybin_v2.egp.gbdul.tamur.kz";
const XS: &str = "http://www.w3.org/2001/XMLSchema";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// All texts, unsigned, each at the place of its behaviour in the list.
pub(super) struct Answers(Vec<(Act, Template)>);

impl Answers {
    /// Prepares them.
    pub(super) fn new() -> Self {
        let acts = Act::LISTED.iter().filter_map(|(name, _)| Act::parse(name));
        Self(acts.map(|act| (act, Template::new(&document(act), &SLOTS))).collect())
    }

    /// Writes one answer.
    pub(super) fn write(
        &self,
        act: Act,
        asked: &Asked,
        now: Timestamp,
        chance: &mut Chance,
    ) -> Vec<u8> {
        let form = Form::draw(chance);
        let (id, session) = (chance.uuid(), chance.uuid());
        let has_data = !matches!(act, Act::NoData | Act::UnknownResponseStatus);
        let data =
            if has_data { data(act, form, &self.document(act, asked)) } else { String::new() };
        let (code, message) = if act == Act::UnknownResponseStatus {
            ("404", "Данные не найдены")
        } else {
            ("SCSS001", "Message has been processed successfully")
        };
        let inner = format!(
            "<responseInfo><messageId>{id}</messageId><responseDate>{}</responseDate>\
             <status><code>{code}</code><message>{message}</message></status>\
             <sessionId>{{{session}}}</sessionId></responseInfo>\
             <responseData>{data}</responseData>",
            envelope::date_time(now)
        );
        let soap = Soap {
            header: "",
            body_attributes: "",
            namespace: envelope::SYNC,
            wrapper: "SendMessageResponse",
            child: "response",
            inner: &inner,
        };
        soap.text(form).into_bytes()
    }

    /// The document of one answer, signed as a rule.
    fn document(&self, act: Act, asked: &Asked) -> String {
        let bin = if act == Act::OtherBin { another(&asked.bin) } else { &asked.bin };
        let found = self.0.iter().find(|(known, _)| *known == act);
        let bytes = found.map(|(_, text)| text.fill(&[bin, &name(bin), &registered(bin)]));
        let document = String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default();
        if act == Act::Unsigned {
            return document;
        }
        signature::sign(&document).unwrap_or(document)
    }
}

/// The element `data`.
fn data(act: Act, form: Form, document: &str) -> String {
    let half = document.floor_char_boundary(document.len() / 2);
    match (act, form) {
        (Act::Truncated, _) => text(&document[..half]),
        (Act::DoubleEscaped, _) => text(&escape(document)),
        (Act::Doctype, _) => text(&format!("<!DOCTYPE a [<!ENTITY x \"x\">]>{document}")),
        (Act::Elements, _) => typed(document),
        (Act::Cdata, _) | (_, Form::Cdata) => {
            format!("<data><![CDATA[{DECLARATION}{document}]]></data>")
        }
        (_, Form::EscapedText) => text(&format!("{DECLARATION}{document}")),
        (_, Form::TwoTextNodes) => {
            let (head, tail) = document.split_at(document[..half].rfind('<').unwrap_or(0));
            format!("<data>{}<![CDATA[{tail}]]></data>", escape(head))
        }
        (_, Form::NamespacedData) => format!(
            "<ns4:data xmlns:ns4=\"http://bip.bee.kz/SyncChannel/v10/Interfaces\">{}</ns4:data>",
            escape(document)
        ),
        (_, Form::Canonical | Form::ForeignPrefixes | Form::Bom | Form::Pretty) => text(document),
    }
}

fn text(document: &str) -> String {
    typed(&escape(document))
}

fn typed(content: &str) -> String {
    format!("<data xmlns:xs=\"{XS}\" xmlns:xsi=\"{XSI}\" xsi:type=\"xs:string\">{content}</data>")
}

fn another(bin: &str) -> &'static str {
    if bin == "100540000008" { "180842000004" } else { "100540000008" }
}

/// Invented from the digits, so that one organisation always looks the same.
fn name(bin: &str) -> String {
    if &bin[6..11] == "00000" { "ТЕСТ".to_owned() } else { format!("ТЕСТ {}", &bin[6..11]) }
}

/// The digits begin with year and month of registration (gov-services §9.3).
fn registered(bin: &str) -> String {
    let century = if &bin[..2] < "50" { "20" } else { "19" };
    let month: u8 = bin[2..4].parse().unwrap_or(1);
    format!("{century}{}-{:02}-14+05:00", &bin[..2], month.clamp(1, 12))
}

/// The text of a behaviour; the company's where the behaviour has none of its own.
fn document(act: Act) -> String {
    let company = || organization(&format!("{COMPANY_HEAD}{LEADER}{COMPANY_TAIL}"));
    let body = match act {
        Act::Branch => format!("{PROCESSED}{}", organization(BRANCH)),
        Act::Representative => format!("{PROCESSED}{}", organization(REPRESENTATIVE)),
        Act::NonResident => format!("{PROCESSED}{NON_RESIDENT}"),
        Act::NotFound => status("031"),
        Act::NotFound034 => status("034"),
        Act::NotFound035 => status("035"),
        Act::NotFoundWithData => format!("{}{}", status("031"), company()),
        Act::UnknownStatus => format!("{}{}", status("SIM-777"), company()),
        Act::NoStatus => company(),
        Act::TwoStatuses => format!("{PROCESSED}{}{}", status("031"), company()),
        Act::Nobody => PROCESSED.to_owned(),
        Act::BothKinds => format!("{PROCESSED}{}{NON_RESIDENT}", company()),
        Act::LeaderRemoved => format!("{PROCESSED}{}", company()).replace(
            "</IssueDate></Position>",
            "</IssueDate><LossDate>2024-12-31+05:00</LossDate></Position>",
        ),
        Act::NoLeader => {
            let liquidation = "<Liquidation><LiqDecisionDate>2025-08-20+05:00</LiqDecisionDate>\
                </Liquidation>";
            format!("{PROCESSED}{}", company().replace(LEADER, liquidation))
        }
        Act::NoBin => format!("{PROCESSED}{}", company()).replacen("<BIN>{{bin}}</BIN>", "", 1),
        Act::BrokenDate => {
            format!("{PROCESSED}{}", company().replace("{{registered}}", "14.05.10"))
        }
        Act::Untidy => format!("{PROCESSED}{}", organization(UNTIDY)),
        Act::Company
        | Act::Qualified
        | Act::OtherRoot
        | Act::Unsigned
        | Act::Cdata
        | Act::Elements
        | Act::Truncated
        | Act::DoubleEscaped
        | Act::OtherBin
        | Act::Doctype
        | Act::UnknownResponseStatus
        | Act::NoData
        | Act::Slow
        | Act::ServerError
        | Act::Reset
        | Act::HtmlOk
        | Act::HtmlBadGateway
        | Act::Unavailable
        | Act::CertificateRefused
        | Act::UnknownFault
        | Act::Cut
        | Act::CutByReset
        | Act::Garbage
        | Act::Oversize
        | Act::OversizeAnnounced => format!("{PROCESSED}{}", company()),
    };
    let root = if act == Act::OtherRoot { "responseDataType" } else { "Response" };
    let body = if act == Act::Qualified { qualified(&body) } else { body };
    format!("<ns3:{root} xmlns:ns3=\"{NAMESPACE}\">{body}</ns3:{root}>")
}

fn organization(body: &str) -> String {
    format!("<Organization><BIN>{{{{bin}}}}</BIN>{body}</Organization>")
}

fn status(code: &str) -> String {
    format!(
        "<Status><Code>{code}</Code><NameRu>Сведения по указанному БИН не найдены</NameRu>\
         <NameKz>Көрсетілген БСН бойынша мәлімет табылмады</NameKz></Status>"
    )
}

fn qualified(body: &str) -> String {
    body.replace("</", "\u{1}").replace('<', "<ns3:").replace('\u{1}', "</ns3:")
}

const PROCESSED: &str = "<Status><Code>002</Code><NameRu>Запрос обработан успешно</NameRu>\
    <NameKz>Сұраныс сәтті өңделді</NameKz></Status>";

const LEADER: &str = "<OrganizationLeader><Position><PositionType><Code>SIM-POS</Code>\
    <NameRu>Руководитель</NameRu><NameKz>Басшы</NameKz></PositionType>\
    <IssueDate>2022-10-31+05:00</IssueDate></Position><IIN>720400300153</IIN>\
    <SurName>ТЕСТОВ</SurName><Name>ТЕСТ</Name></OrganizationLeader>";

const COMPANY_HEAD: &str = "<RegStatus><Code>SIM-REG</Code><NameRu>Зарегистрирован</NameRu>\
    <NameKz>Тіркелген</NameKz></RegStatus><RegistrationDepartment><Code>SIM-DEP</Code>\
    <NameRu>Тестовое управление регистрации</NameRu><NameKz>Тест тіркеу басқармасы</NameKz>\
    </RegistrationDepartment><RegistrationDate>{{registered}}</RegistrationDate>\
    <RegistrationLastDate>2022-11-02+05:00</RegistrationLastDate>\
    <FullNameRu>Товарищество с ограниченной ответственностью \"{{name}}\"</FullNameRu>\
    <FullNameKz>\"{{name}}\" жауапкершілігі шектеулі серіктестігі</FullNameKz>\
    <ShortNameRu>ТОО \"{{name}}\"</ShortNameRu>\
    <OrgForm><Code>1</Code><NameRu>Юридическое лицо</NameRu><NameKz>Заңды тұлға</NameKz></OrgForm>\
    <TaxOrgStatus>0</TaxOrgStatus>";

const COMPANY_TAIL: &str = "<Activity><Main>false</Main><OKED>62011</OKED>\
    <ActivityNameKz>Басқа қызмет</ActivityNameKz>\
    <ActivityNameRu>Другая деятельность</ActivityNameRu></Activity>\
    <Activity><Main>true</Main><OKED>80100</OKED><ActivityNameKz>Тест қызметі</ActivityNameKz>\
    <ActivityNameRu>Тестовая деятельность</ActivityNameRu></Activity>\
    <Address><RKA>9999300000000002</RKA><KATO>710000000</KATO><DistrictRu>город Тест</DistrictRu>\
    <DistrictKz>Тест қаласы</DistrictKz><CityRu>-</CityRu><CityKz>-</CityKz>\
    <StreetRu>Тестовая</StreetRu><StreetKz>Тест көшесі</StreetKz>\
    <BuildingNumber>10</BuildingNumber></Address>\
    <FoundersFL><IIN>920300400029</IIN><SurName>ТЕСТОВА</SurName><Name>ТЕСТ</Name>\
    <Percent>100.0</Percent></FoundersFL><FoundersCount>1</FoundersCount>\
    <FoundersCountUL>0</FoundersCountUL><FoundersCountFL>1</FoundersCountFL>\
    <StatCommInfo><ActualDate>2025-01-31+05:00</ActualDate></StatCommInfo>";

const BRANCH: &str = "<RegStatus><Code>SIM-LIQ</Code><NameRu>Ликвидирован</NameRu>\
    <NameKz>Таратылған</NameKz></RegStatus><RegistrationDepartment><Code>SIM-DEP</Code>\
    <NameRu>Тестовое управление регистрации</NameRu><NameKz>Тест тіркеу басқармасы</NameKz>\
    </RegistrationDepartment><RegistrationDate>{{registered}}</RegistrationDate>\
    <LiquidationDate>2023-09-01+06:00</LiquidationDate>\
    <FullNameRu>Филиал ТОО \"{{name}}\"</FullNameRu>\
    <FullNameKz>\"{{name}}\" ЖШС филиалы</FullNameKz>\
    <OrgForm><Code>2</Code><NameRu>Филиал</NameRu><NameKz>Филиал</NameKz></OrgForm>\
    <TaxOrgStatus>1</TaxOrgStatus>\
    <Liquidation><LiqDecisionDate>2023-08-20+06:00</LiqDecisionDate></Liquidation>\
    <HeaderOrganization><BIN>100540000008</BIN>\
    <RegistrationLastDate>2022-11-02+06:00</RegistrationLastDate>\
    <OrganizationNameRu>ТОО \"ТЕСТ\"</OrganizationNameRu>\
    <OrganizationNameKz>\"ТЕСТ\" ЖШС</OrganizationNameKz></HeaderOrganization>";

const REPRESENTATIVE: &str = "<RegStatus><Code>SIM-REG</Code><NameRu>Зарегистрирован</NameRu>\
    <NameKz>Тіркелген</NameKz></RegStatus><RegistrationDepartment><Code>SIM-DEP</Code>\
    <NameRu>Тестовое управление регистрации</NameRu><NameKz>Тест тіркеу басқармасы</NameKz>\
    </RegistrationDepartment><RegistrationDate>{{registered}}</RegistrationDate>\
    <FullNameRu>Представительство ТОО \"{{name}}\"</FullNameRu>\
    <FullNameKz>\"{{name}}\" ЖШС өкілдігі</FullNameKz>\
    <OrgForm><Code>3</Code><NameRu>Представительство</NameRu><NameKz>Өкілдік</NameKz></OrgForm>\
    <TaxOrgStatus>0</TaxOrgStatus>\
    <HeaderOrganization><BIN>100540000008</BIN>\
    <RegistrationLastDate>2022-11-02+05:00</RegistrationLastDate>\
    <OrganizationNameRu>ТОО \"ТЕСТ\"</OrganizationNameRu>\
    <OrganizationNameKz>\"ТЕСТ\" ЖШС</OrganizationNameKz></HeaderOrganization>";

const NON_RESIDENT: &str = "<IpsNerezident><BIN>{{bin}}</BIN><RegDate>{{registered}}</RegDate>\
    <FullNameRu>TEST FOREIGN \"{{name}}\"</FullNameRu>\
    <OrgForm><Code>SIM-IPS</Code><NameRu>Нерезидент</NameRu><NameKz>Бейрезидент</NameKz></OrgForm>\
    <CountryNerezident><Code>276</Code><NameRu>ГЕРМАНИЯ</NameRu><NameKz>ГЕРМАНИЯ</NameKz>\
    </CountryNerezident><RegStatus><Code>SIM-REG</Code><NameRu>Зарегистрирован</NameRu>\
    <NameKz>Тіркелген</NameKz></RegStatus></IpsNerezident>";

/// Optionals that are empty, `-`, an order that no schema has, and elements of a later schema.
const UNTIDY: &str = "<TaxOrgStatus> 0 </TaxOrgStatus><LiquidationDate/>\
    <ShortNameRu>-</ShortNameRu>\
    <FullNameKz>\"{{name}}\" ЖШС</FullNameKz><FullNameRu> ТОО \"{{name}}\" &amp; Ко </FullNameRu>\
    <OrganizationLeader/><HeaderOrganization><BIN/></HeaderOrganization>\
    <Liquidation> </Liquidation>\
    <OrgForm><NameRu>Юридическое лицо</NameRu><Code>1</Code></OrgForm>\
    <RegistrationDate>{{registered}}</RegistrationDate><RegStatus><Code>SIM-REG</Code></RegStatus>\
    <Address><CityKz>-</CityKz><CityRu>Тест</CityRu></Address><Activity><Main>1</Main>\
    <ActivityNameRu>Тестовая деятельность</ActivityNameRu></Activity>\
    <ReorganizationBins><BIN>990140000007</BIN></ReorganizationBins>\
    <Benefiziars><Benefiziar><IIN>920300400029</IIN></Benefiziar></Benefiziars>";
